"""The conversation with one meter, as two tables.

Theory of operation
-------------------
A session is a machine without a clock and without a line. Bytes go in with the time at which they came, and out come events,
bytes to send and a deadline. Every step of it is one *trigger* applied to a *state*; the tables below are the whole of what
is legal, for the client that reads and for the server that is read. A trigger that a state has no row for is an error: our
own misuse raises ``StateError``, a peer's message out of turn raises ``WireError``.

The client opens the link (HDLC says SNRM and waits for UA; TCP with the wrapper is up at once), sends its AARQ and waits.
An acceptance either stands at once (no security, or a password) or, with high-level security, is only half of it: the
client proves that it knows the keys (pass 3) and the meter answers with its own proof (pass 4). Then requests are asked one
at a time, each answered whole or in blocks. A release is always attempted; a meter that does not answer it is left all the
same. Whatever goes wrong leads to ``FAILED``, which has no way out: a session is cheap, so nobody repairs one.

The server mirrors it: it waits for a link and an AARQ, may hold an association that has not proved itself yet, in which the
only service is the proof, and serves until it is released, disconnected or associated anew.
"""

from enum import Enum

from kwartier.errors import StateError, WireError


class ClientState(Enum):
    """Where the reading side stands."""

    # By identity: an enum hashes by name in Python, and every step looks twice into a table.
    __hash__ = object.__hash__

    IDLE = "idle"
    LINKING = "linking"
    ASSOCIATING = "associating"
    PROVING = "proving"
    READY = "ready"
    ASKING = "asking"
    RELEASING = "releasing"
    UNLINKING = "unlinking"
    CLOSED = "closed"
    FAILED = "failed"


class ServerState(Enum):
    """Where the meter's side stands."""

    __hash__ = object.__hash__

    UNLINKED = "unlinked"
    LINKED = "linked"
    CHALLENGED = "challenged"
    ASSOCIATED = "associated"
    FAILED = "failed"


class Trigger(Enum):
    """What can happen: ours to do, the peer's to send, or the line's."""

    __hash__ = object.__hash__

    OPEN = "open"
    LINK_UP = "link up"
    ACCEPTED = "AARE accepted"
    CHALLENGED = "AARE accepted, proof wanted"
    REFUSED = "AARE rejected"
    PROVED = "proof verified"
    ASK = "ask"
    BLOCK = "block received"
    ANSWERED = "answer received"
    RELEASE = "release"
    RELEASED = "RLRE received"
    LINK_DOWN = "link down"
    FAIL = "error"
    ASSOCIATE = "AARQ accepted"
    CHALLENGE = "AARQ accepted, proof wanted"
    REJECT = "AARQ rejected"
    SERVE = "service served"


CLIENT: dict[ClientState, dict[Trigger, ClientState]] = {
    ClientState.IDLE: {
        Trigger.OPEN: ClientState.LINKING,
    },
    ClientState.LINKING: {
        Trigger.LINK_UP: ClientState.ASSOCIATING,
    },
    ClientState.ASSOCIATING: {
        Trigger.ACCEPTED: ClientState.READY,
        Trigger.CHALLENGED: ClientState.PROVING,
        Trigger.REFUSED: ClientState.UNLINKING,
    },
    ClientState.PROVING: {
        Trigger.PROVED: ClientState.READY,
        Trigger.REFUSED: ClientState.UNLINKING,
    },
    ClientState.READY: {
        Trigger.ASK: ClientState.ASKING,
        Trigger.RELEASE: ClientState.RELEASING,
    },
    ClientState.ASKING: {
        Trigger.BLOCK: ClientState.ASKING,
        Trigger.ANSWERED: ClientState.READY,
    },
    ClientState.RELEASING: {
        Trigger.RELEASED: ClientState.UNLINKING,
    },
    ClientState.UNLINKING: {
        Trigger.LINK_DOWN: ClientState.CLOSED,
    },
    ClientState.CLOSED: {},
    ClientState.FAILED: {},
}
"""The client: state -> trigger -> next state. ``FAIL`` leads from everywhere to ``FAILED``."""

SERVER: dict[ServerState, dict[Trigger, ServerState]] = {
    ServerState.UNLINKED: {
        Trigger.LINK_UP: ServerState.LINKED,
    },
    ServerState.LINKED: {
        Trigger.ASSOCIATE: ServerState.ASSOCIATED,
        Trigger.CHALLENGE: ServerState.CHALLENGED,
        Trigger.REJECT: ServerState.LINKED,
        Trigger.LINK_DOWN: ServerState.UNLINKED,
    },
    ServerState.CHALLENGED: {
        Trigger.PROVED: ServerState.ASSOCIATED,
        Trigger.REJECT: ServerState.LINKED,
        Trigger.RELEASE: ServerState.LINKED,
        Trigger.LINK_DOWN: ServerState.UNLINKED,
    },
    ServerState.ASSOCIATED: {
        Trigger.SERVE: ServerState.ASSOCIATED,
        Trigger.RELEASE: ServerState.LINKED,
        Trigger.ASSOCIATE: ServerState.ASSOCIATED,
        Trigger.CHALLENGE: ServerState.CHALLENGED,
        Trigger.REJECT: ServerState.LINKED,
        Trigger.LINK_DOWN: ServerState.UNLINKED,
    },
    ServerState.FAILED: {},
}
"""The server: state -> trigger -> next state. ``FAIL`` leads from everywhere to ``FAILED``."""

_OURS = {Trigger.OPEN, Trigger.ASK, Trigger.RELEASE}


def client_step(state: ClientState, trigger: Trigger) -> ClientState:
    """The client's next state; ``StateError`` for a misuse of ours, ``WireError`` for a peer out of turn."""
    if trigger is Trigger.FAIL:
        return ClientState.FAILED
    following = CLIENT[state].get(trigger)
    if following is None:
        raise _illegal(state, trigger, ours=trigger in _OURS)
    return following


def server_step(state: ServerState, trigger: Trigger) -> ServerState:
    """The server's next state; ``WireError`` for a peer out of turn."""
    if trigger is Trigger.FAIL:
        return ServerState.FAILED
    following = SERVER[state].get(trigger)
    if following is None:
        raise _illegal(state, trigger, ours=False)
    return following


def _illegal(state: Enum, trigger: Trigger, *, ours: bool) -> StateError | WireError:
    detail = f"'{trigger.value}' in state '{state.value}'"
    return StateError("out-of-turn", detail) if ours else WireError("peer-out-of-turn", detail)
