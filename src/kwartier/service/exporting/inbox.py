"""What came of messages: which were sent, what their recipients answered, and who keeps silent.

The inbox is a folder in which every file ``*.xml`` is a whole answer; whoever receives them writes under another name first and
renames. An answer that was understood moves to ``done/``, any other to ``refused/``: the table of messages is changed first,
so an answer that is met again after a crash is a repeated one. Answers come from outside, and one that is hostile costs no more
than the look at it.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import Engine

from kwartier.disk import PRIVATE_FOLDER, sync_folder
from kwartier.errors import InputError
from kwartier.export.answer import MAX_BYTES, Answer, read_answer
from kwartier.export.codes import Codes
from kwartier.service.exporting import messages
from kwartier.service.exporting.messages import Event, State, Verdict
from kwartier.service.exporting.outbox import SENT, alone

INBOX = "inbox"
"""Its name in the home, where no other folder is given."""
DONE, REFUSED = "done", "refused"
MAX_FILES = 10_000
"""Files of a folder that one look takes; the rest is for the next."""
MAX_NAME = 150
"""Characters of its name that a file keeps when it is put away."""
_DIGEST_CHARACTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of a file in the inbox."""

    file: str
    """Its name, as far as it can be shown."""
    verdict: Verdict | None
    """None: it is no answer that can be read, or comes from somebody else than the recipient."""
    message_id: str = ""
    reason: str = ""

    @property
    def is_done(self) -> bool:
        """Whether nobody has to look at it."""
        return self.verdict in {Verdict.TAKEN, Verdict.REPEATED}


def note_sent(engine: Engine, out: Path, *, at: int) -> int:
    """Messages whose files lie in ``sent/`` of the outbox are sent; how many of them were not before."""
    waiting = [one for one in messages.listed(engine, state=State.MADE) if (out / SENT / one.file).exists()]
    return sum(messages.note(engine, one.id, Event.SENT, at=at) == Verdict.TAKEN for one in waiting)


def note_silence(engine: Engine, *, at: int, answer_within_h: int) -> int:
    """What was sent so long ago and nobody answered is overdue from now on; how many that are."""
    return messages.note_silence(engine, before=at - answer_within_h * 3600)


def take_answers(engine: Engine, inbox: Path, codes: Codes, *, at: int) -> list[Taken]:
    """Read what lies in ``inbox``, which is made if absent. Raises ``InputError`` bad-outbox, ``StateError`` outbox-busy."""
    try:
        for folder in (inbox, inbox / DONE, inbox / REFUSED):
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        with alone(inbox):
            return [_take(engine, inbox / name, codes, at) for name in _names(inbox)]
    except OSError as error:
        raise InputError("bad-outbox", f"{inbox}: {error.strerror or type(error).__name__}") from None


def _names(folder: Path) -> list[str]:
    """The files of a folder that are whole, in order."""
    with os.scandir(folder) as entries:
        found = (one.name for one in entries if one.name.endswith(".xml") and not one.name.startswith("."))
        return sorted(islice(found, MAX_FILES))


def _take(engine: Engine, path: Path, codes: Codes, at: int) -> Taken:
    octets, shown = b"", ascii(path.name)[1:-1]
    try:
        octets = _octets(path)
        taken = _answered(engine, shown, read_answer(octets), codes, at)
    except InputError as error:
        taken = Taken(file=shown, verdict=None, reason=error.detail)
    _put_away(path, DONE if taken.is_done else REFUSED, octets)
    return taken


def _answered(engine: Engine, file: str, answer: Answer, codes: Codes, at: int) -> Taken:
    message = messages.find(engine, [answer.message_id]).get(answer.message_id)
    if message is None:
        return Taken(file=file, verdict=Verdict.UNKNOWN, reason="it answers a message that was never made here")
    if codes.recipient(message.topic.recipient).value != answer.sender:
        return Taken(file=file, verdict=None, message_id=message.id, reason="it does not come from the recipient")
    event = Event.ACCEPTED if answer.accepted else Event.REFUSED
    verdict = messages.note(engine, message.id, event, at=at, said=answer.said)
    reason = "the message was answered otherwise before" if verdict == Verdict.CONTRADICTS else ""
    return Taken(file=file, verdict=verdict, message_id=message.id, reason=reason)


def _octets(path: Path) -> bytes:
    """What is in a file, and a byte more than it may hold; a link, a pipe or a folder is no answer."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise InputError("bad-answer", f"it cannot be opened: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError("bad-answer", "it is no file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)


def _put_away(path: Path, folder: str, octets: bytes) -> None:
    """Out of the way, under a name that another one of its name does not take."""
    mark = hashlib.sha256(octets).hexdigest()[:_DIGEST_CHARACTERS]
    target = path.parent / folder / f"{mark}-{path.name[-MAX_NAME:]}"
    path.rename(target)
    sync_folder(target.parent)
    sync_folder(path.parent)
