"""What pages that are made say in words: the tables around them come from the program."""

ESTIMATION = """\
What is not known of a quarter is put there by a method, and says so. A *gap* is a stretch of one channel of one meter without
volumes that can be used: registers are missing, or a rule has rejected them. It runs from one known register to the next, also
over midnight, and import and export have their own gaps.

**Energy.** Where both registers are known, what went through the meter is exact, and only how it was spread is estimated:
quality `calculated`. The parts of all days of a gap come from one split of the whole, by the largest remainder, ties to the
earliest quarter; they add up to the difference of the registers to the watt-hour. Not so across a register that starts anew,
over a difference below zero or beyond what the connection can carry, over more than {max_gap_days} days, or where a rule
doubts the registers themselves: then quality `estimated`, day by day, until the truth comes and a later run supersedes it.

**Midnight.** Where a rejected stretch reaches midnight and no register stands there, it is cut at the last one that is known
before, and after midnight at the first: these are what the run of the day beside it is told of. A straight line over midnight
needs the status of the row on the other side, and an outage in a gap over midnight has to be told to both runs.

**What proves an outage.** A meter writes no row while it is without power, and marks the first one after (bit 7 of the AMR
profile status). So where its buffer was asked and does not have some rows (*not in buffer*, in every channel), and the next
row that there is has the mark, the quarters in between were without power: 0 Wh, by E7. The quarters in which the power went
and came are not among them; they share what the registers at the ends tell. Rows that only did not arrive prove nothing, and
neither does a mark without a gap. Of a gap over midnight whose energy is known no outage is used: both days have to split it
alike, and the mark is known to one of them only.

**Runs.** A gap is filled as soon as its day is validated, with what is known by then; `may_still_come` says that a visit may
still fetch it. When the register at its other end comes, on whatever day, the days of the gap are looked at again, for that
meter alone ([runs](validation.md#runs)). An estimate becomes a calculated or measured volume in that later run.

**Like days** are earlier days that were measured as a whole, in both directions, without power failure or exchange. For each
local day of a gap, days before the gap are looked at, the nearest first.

**Days of 92 and 100 quarters.** A shape is laid over a day by the local clock. Only days of 96 quarters lend one. The hour that
the clock skips is left out; the hour that it shows twice takes the same shape twice. Profiles know their quarters in UTC.

**Nothing can be done** where there is neither a like day nor a profile, or no register at one end and no year volume: these
quarters are `missing`, and settlement spreads the connection by profile. A difference of 0 is 0 in every quarter.

**The day's state.** The mean of a day's volume moves, after an eligible day, by the difference divided by the number of
eligible days so far, at most `mean_days`, rounded to the nearest Wh; so no day has to be read again. Days without use are
counted over days of which everything is measured or calculated; an estimated day neither counts nor ends the row.

| gap | history | method |
|---|---|---|
| 1 hour | any | E2 |
| 5 hours | {like_days} like days | E3 |
| 3 days | {like_days} like days for each | E3 |
| 11 days | any | E5 |
"""

RUNS = """\
`kwartier validate run` takes every local day that is due, the oldest first. Due is a day that is over, and of which something
came since its last run; also one between two such days of which nothing came, because its meters have volumes, too. Days
older than {ago} days are validated with `--date` only.

- **The first run** of a day is over all meters that should have been read, whether anything came of them or not. Who is not
  read from afar has no row.
- **Later runs** are over some of them: those of which a newer reading came; those whose gap over midnight has found its end,
  at most {ahead} days away; those whose closing another reading contradicts; and those on whose volumes two persons agreed. A
  later run costs what came and not the fleet ([why](decisions/0021-runs-over-some-readings.md)). `--date D --whole` is over
  all of them.
- **The latest run counts**, reading by reading. What earlier runs found of a reading is superseded, and kept until the day
  goes. A run that was stopped is void. `kwartier validate runs` lists the last run of each day; `validate findings` shows
  what stands, of whom, without any volume.

`V7-sum` holds the day's closing against what the next day opens with (no visit reads the daily profile yet). In the run of
the next morning that is not there: it says *not evaluated*. The reading of the next day brings its own opening, and the
remark of that day's `V7-sum` says how many were held against the closing before, and how many differ. For these meters the
day before is looked at once more, and then the rule fails.

Rules that need history take it from the state that the day before left (the largest quarter, the mean over eligible days,
days without use, the last register), a few numbers a meter: no night reads 30 days again. Readings themselves are never
changed.

A run also keeps how complete the day is, in the transaction that ends it, so that nobody reads the day again to know it:

- `validation_gap` has a row for each reading that was not measured as a whole and in time: whether it is the radio, a key, the
  meter or us that most of its missing quarters are owed to (`lack`), and the same of its coming late (`late`); empty: there is
  nothing. Rows are superseded as findings are.
- `coverage_count` has a row for each day and axis (grid area, radio cell, or supplier and firmware): how many meters each
  cohort has, and its quarters by how they came about and why, over the day (`totals`) and by the hour (`hours`).

Counts are of the last run. A later run takes away what the readings that it is over were counted as, and adds what they are
now; `--whole` counts anew, and so gives days their counts that were validated before there were any. The page *Gaps* reads
the counts alone, and for one cohort by itself the reasons, too; cohorts of fewer than ten meters are counted together there.

All of it goes through the gate for the purpose `validation`. A grant reaches the day before and {ahead} days ahead; for like
days, where a gap needs them, another one reaches {reach} days back.
"""
