"""Looking at a trace: a use like any other, asked of the gate and written down before anything is shown.

Which purposes let see what is in ``gate/purposes.toml``: those that have "trace" among their sources. One under which
consumption is shown lets see the values, which are deciphered in memory with the meter's keys and kept nowhere; one under which
none is shown, such as maintenance, lets see the structure, and for that nothing is deciphered.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from kwartier.collect.tape import Recorded
from kwartier.collect.traces import Trace
from kwartier.decode import NO_KEYS, Keys
from kwartier.errors import InputError
from kwartier.gate.grant import Grant
from kwartier.gate.policy import Asking, Scope
from kwartier.gate.purposes import Resolution, Source, purposes
from kwartier.service.home import Home
from kwartier.service.tracing.view import View, seen

CHANNELS: Final = frozenset({"import_wh", "export_wh"})
"""Nobody can say of a byte which register it is of: who may not see both sees none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A trace that somebody may look at, for a purpose and under a grant. ``keys``: none where values are not shown."""

    trace: Trace
    purpose: str
    recorded: Recorded = field(repr=False)
    keys: Keys = field(repr=False)
    masked: bool
    grant: str

    def view(self) -> View:
        """Decoded, as they may see it."""
        return seen(self.trace, self.recorded, self.keys, masked=self.masked, purpose=self.purpose, grant=self.grant)


def look(
    home: Home,
    trace: str,
    *,
    actor: Asking,
    purpose: str,
    reason: str = "",
    recipient: str = "",
    wall: Callable[[], float] = time.time,
) -> Looked:
    """A trace that this actor may see for this purpose; that they look is written down. ``wall``: UTC seconds.

    ``recipient``: who else gets to see it.

    Raises ``Denied`` with the code of the rule that says no; ``InputError`` unknown-trace, unknown-connection;
    ``SecurityError`` sealed-file.
    """
    one = home.traces.of(trace, at=int(wall()))
    if one.days is None:
        raise InputError("unknown-trace", "the visit that is to be traced was not made yet")
    known = purposes().get(purpose)
    shows = known is not None and known.resolution is not Resolution.NONE
    scope = Scope(
        start=one.days[0],
        end=one.days[1],
        eans=(one.ean,),
        source=Source.TRACE,
        resolution=Resolution.QUARTER if shows else Resolution.NONE,
    )
    grant = home.gate_at(wall).open(actor=actor, purpose=purpose, scope=scope, reason=reason, recipient=recipient)
    masked = not _shows_values(grant)
    return Looked(
        trace=one,
        purpose=purpose,
        recorded=home.traces.recorded(one),
        keys=NO_KEYS if masked else _keys(home, one),
        masked=masked,
        grant=grant.id,
    )


def without_values(home: Home, trace: Trace) -> View:
    """The structure of a trace, for who has the right to know what is kept; the caller writes down that it is told."""
    return seen(trace, home.traces.recorded(trace), NO_KEYS, masked=True)


def _shows_values(grant: Grant) -> bool:
    return grant.scope.resolution is Resolution.QUARTER and set(grant.scope.channels or ()) >= CHANNELS


def _keys(home: Home, trace: Trace) -> Keys:
    """The keys of the meter, as visits to it have them; what was sent under others does not open."""
    held = home.keyring.keys_of(trace.meter)
    return NO_KEYS if held is None else Keys(ek=held.session.ek, ak=held.session.ak, dedicated=held.session.dedicated)
