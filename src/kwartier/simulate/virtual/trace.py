"""What happened in a rehearsal, step by step: the same seed gives the same lines, and one digest over all of them."""

from collections.abc import Callable
from hashlib import sha256


class Trace:
    """Takes lines. ``now`` gives virtual seconds; ``show`` gets each line as it comes."""

    def __init__(self, now: Callable[[], float], show: Callable[[str], None] | None = None) -> None:
        self._now = now
        self._show = show
        self._digest = sha256()
        self.count = 0

    def note(self, who: str, what: str) -> None:
        """``who`` did or met ``what``. Never an EAN, a key or a value."""
        line = f"{self._now():12.3f} {who:<10} {what}"
        self._digest.update(line.encode() + b"\n")
        self.count += 1
        if self._show is not None:
            self._show(line)

    @property
    def digest(self) -> str:
        """What tells two courses of events apart."""
        return self._digest.hexdigest()
