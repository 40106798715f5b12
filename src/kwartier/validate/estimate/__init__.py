"""What is put in the place of quarters that are not known: a gap is found, its energy looked up, and a method gives its shape.

Two pure steps, because the shape may need what only the store has: :mod:`plan` finds the gaps and says which earlier days it
wants to see, and :mod:`fill` takes these, the profiles and what was agreed by hand, and gives the volumes with how they came
about. A gap is of one channel and may run over several days; the run of each of them computes the same split and takes its
own part, so the parts add up to the registers' difference to the watt-hour.
"""
