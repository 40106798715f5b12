"""The HDLC procedure of both roles: APDUs cut into numbered frames, acknowledged, sent again (Green Book 8.4).

The link is half duplex by turns. Whoever has the turn sends up to a window of frames and gives the turn away with the poll or
final bit of the last one; the client has it first. Everything follows from that: what the other side has not acknowledged
when the turn comes back is sent again, a frame out of sequence is passed over, and a client that hears nothing asks where
the meter stands. An answer that comes twice, because the first question was only slow, gives no turn: it would be answered
twice for ever. An APDU begins with three LLC bytes, in its first segment only.
"""

from collections import deque

from kwartier.dlms import gbt
from kwartier.dlms.hdlc import (
    DEFAULT_WINDOW,
    MAX_INFO,
    POLL_FINAL,
    Address,
    BadFrame,
    Frame,
    FrameReader,
    Kind,
    Parameters,
    client_bytes,
    frame_bytes,
)
from kwartier.dlms.hdlc_segments import LLC_COMMAND, LLC_RESPONSE, Assembler, cut
from kwartier.dlms.link import LinkState
from kwartier.errors import LinkLost, StateError, WireError

MAX_APDU = 0xFFFF
MAX_IDLE_FRAMES = 64
MAX_IDLE_FRAMES_IN_ALL = 1024
"""Frames without any progress, in a row and in all, that are taken in before the peer is called a babbler."""
POLL_PAUSE_S = 0.5
MAX_POLLS = 40
"""How often a meter that has nothing to say yet, or no room, is asked again, and how soon."""
PROPOSED = Parameters(max_info_tx=MAX_INFO, max_info_rx=MAX_INFO, window_tx=DEFAULT_WINDOW, window_rx=7)
"""What a client proposes: long frames, and to receive a window of seven."""
NUMBERS = 8


class HdlcLink:
    """One HDLC connection, as the client (``client=True``) or as the meter.

    A meter gives its own address as ``server_address`` and may give None as ``client_address``: it takes it from the SNRM.
    """

    def __init__(
        self,
        *,
        client: bool,
        client_address: int | None,
        server_address: Address,
        proposed: Parameters = PROPOSED,
        response_timeout_s: float = 5.0,
        inter_octet_timeout_s: float = 1.0,
        retries: int = 3,
    ) -> None:
        self.state = LinkState.DOWN
        self.bad_frames = 0
        self.strange_frames = 0
        self.progress = 0
        self._idle_frames_in_all = 0
        self.max_apdu = MAX_APDU
        self._client = client
        self._client_address = client_address
        self._server_address = server_address
        self._proposed = proposed
        self._agreed = Parameters()
        self._response_timeout_s = response_timeout_s
        self._inter_octet_timeout_s = inter_octet_timeout_s
        self._retries = retries
        self._tries = 0
        self._reader = FrameReader()
        self._llc = LLC_COMMAND if client else LLC_RESPONSE
        self._parts = Assembler(LLC_RESPONSE if client else LLC_COMMAND)
        self._pushed = Assembler(LLC_RESPONSE if client else LLC_COMMAND)
        self._out: list[bytes] = []
        self._answer_by: float | None = None
        self._octet_by: float | None = None
        self._reset()

    def __repr__(self) -> str:
        return f"<HdlcLink {'client' if self._client else 'server'} {self.state.value}>"

    def _reset(self) -> None:
        self._send_number = 0
        self._receive_number = 0
        self._unacknowledged: deque[tuple[int, bytes, bool]] = deque()
        self._segments: deque[tuple[bytes, bool]] = deque()
        self._parts.clear()
        self._idle_frames = 0
        self._polls = 0
        self._pausing = False
        self._burst = 0
        self._busy = False
        self._awaiting = False
        self._turn = self._client
        self._owes = False

    @property
    def client_address(self) -> int:
        """The address of the client; -1 while a server has not heard one."""
        return -1 if self._client_address is None else self._client_address

    @property
    def deadline(self) -> float | None:
        """When :meth:`handle_timer` wants to be called."""
        times = [time for time in (self._answer_by, self._octet_by) if time is not None]
        return min(times) if times else None

    # What the session calls.

    def connect(self, now: float) -> None:
        """Client: say SNRM."""
        self.state = LinkState.CONNECTING
        self._tries = 0
        self._command(Kind.SNRM, now, self._proposed.encode())

    def send(self, apdu: bytes, now: float) -> None:
        """Cut one APDU into segments and send as many as the window and the turn allow."""
        if self.state is not LinkState.UP:
            raise StateError("link-not-up", "an APDU was sent on a link that is not up")
        self._awaiting = True
        self._segments.extend(cut(self._llc + apdu, self._agreed.max_info_tx))
        if self._turn:
            self._take_turn(now)

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """The APDUs that ``data`` completes, in order."""
        apdus: list[bytes] = []
        progress = self.progress
        for frame in self._reader.feed(data):
            if isinstance(frame, BadFrame):
                self.bad_frames += 1
                self._pushed.clear()  # unnumbered pieces: nobody can tell that none is missing
            elif not self._for_us(frame):
                self.strange_frames += 1
            else:
                self._on_frame(frame, now, apdus)
            if self.progress == progress:
                self._idle_frames += 1
                self._idle_frames_in_all += 1
            progress = self.progress
            if self._idle_frames > MAX_IDLE_FRAMES or self._idle_frames_in_all > MAX_IDLE_FRAMES_IN_ALL:
                raise WireError("hdlc-babble", f"{self._idle_frames} HDLC frames in a row without any progress")
        self._octet_by = None
        if self._reader.waiting:
            self._octet_by = now + self._inter_octet_timeout_s
            if self._answer_by is not None:
                # A slow line: the answer is on its way, and asking again would talk into it.
                self._answer_by = max(self._answer_by, self._octet_by)
        return apdus

    def data_to_send(self) -> bytes:
        """What is queued, once."""
        if self._owes and self._turn and not self._client:
            self._supervise(Kind.RR)
        out, self._out = self._out, []
        return b"".join(out)

    def disconnect(self, now: float) -> None:
        """Client: say DISC; the link is closed once the meter confirms it."""
        if self.state is not LinkState.UP or not self._client:
            self.state = LinkState.CLOSED
            self._answer_by = None
            return
        self.state = LinkState.CLOSING
        self._tries = 0
        self._command(Kind.DISC, now)

    def handle_timer(self, now: float) -> None:
        """Drop a frame that never ended; ask again for an answer that never came; raise ``LinkLost`` after the last try."""
        if self._octet_by is not None and now >= self._octet_by:
            self._octet_by = None
            self._reader.drop()
            self._pushed.clear()
            self.bad_frames += 1
        if self._answer_by is None or now < self._answer_by:
            return
        if self._pausing:
            self._ask_again(now)
            return
        self._tries += 1
        if self._tries > self._retries:
            raise self._lost("hdlc-silent", f"no HDLC answer after {self._tries} tries")
        if self.state is LinkState.CONNECTING:
            self._command(Kind.SNRM, now, self._proposed.encode())
        elif self.state is LinkState.CLOSING:
            self._command(Kind.DISC, now)
        else:
            self._ask_again(now)

    def _ask_again(self, now: float) -> None:
        self._turn = True
        self._pausing = False
        self._take_turn(now, poll=True)

    def _lost(self, code: str, what: str) -> LinkLost:
        self._answer_by = None
        self.state = LinkState.CLOSED
        return LinkLost(code, f"{what} ({self.bad_frames} bad frames, {self.strange_frames} for other addresses)")

    # Frames out.

    def _emit(self, control: int, information: bytes = b"", *, segmented: bool = False) -> None:
        client, server = client_bytes(self.client_address), self._server_address.encode()
        addresses = server + client if self._client else client + server
        self._out.append(frame_bytes(addresses, control, information, segmented=segmented))

    def _command(self, kind: int, now: float, information: bytes = b"") -> None:
        self._emit(kind | POLL_FINAL, information)
        self._answer_by = now + self._response_timeout_s

    def _supervise(self, kind: int) -> None:
        self._emit(kind | POLL_FINAL | self._receive_number << 5)
        self._turn = self._owes = False

    def _take_turn(self, now: float, *, poll: bool = False) -> None:
        """Send what is unacknowledged, then what is new, up to the window; the last frame gives the turn away."""
        unacknowledged = self._unacknowledged
        while not self._busy and self._segments and len(unacknowledged) < self._agreed.window_tx:
            information, segmented = self._segments.popleft()
            unacknowledged.append((self._send_number, information, segmented))
            self._send_number = (self._send_number + 1) % NUMBERS
        self._burst = 0 if self._busy else len(unacknowledged)
        if self._burst:
            last = unacknowledged[-1][0]
            for number, information, segmented in unacknowledged:
                final = POLL_FINAL if number == last else 0
                control = self._receive_number << 5 | final | number << 1
                self._emit(control, information, segmented=segmented)
            self._turn = self._owes = False
        elif poll or self._parts:
            self._supervise(Kind.RR)
        if self._client and not self._turn:
            self._answer_by = now + self._response_timeout_s

    # Frames in.

    def _for_us(self, frame: Frame) -> bool:
        server = frame.source if self._client else frame.destination
        client = frame.destination if self._client else frame.source
        own = self._server_address
        if server.size == own.size and server != own:
            return False
        if server.upper != own.upper or client.size != 1:
            return False
        return self._client_address is None or client.upper == self._client_address or frame.kind == Kind.SNRM

    def _on_frame(self, frame: Frame, now: float, apdus: list[bytes]) -> None:
        kind = frame.kind
        if kind == Kind.UI:
            self._on_unnumbered(frame, apdus)
        elif self._client:
            self._on_client_frame(frame, kind, now, apdus)
        else:
            self._on_server_frame(frame, kind, now, apdus)

    def _on_client_frame(self, frame: Frame, kind: int, now: float, apdus: list[bytes]) -> None:
        if kind == Kind.FRMR:
            raise WireError("hdlc-rejected", f"the meter rejected a frame of ours ({frame.information[:3].hex()})")
        if self.state is LinkState.CONNECTING:
            if kind == Kind.UA:
                self._agreed = self._proposed.meet(Parameters.decode(frame.information))
                self._link_up()
            elif kind == Kind.DM:
                raise self._lost("hdlc-refused", "the meter refuses an HDLC connection to this address")
        elif self.state is LinkState.CLOSING:
            if kind in (Kind.UA, Kind.DM):
                self.state = LinkState.CLOSED
                self._answer_by = None
        elif self.state is LinkState.UP:
            if kind == Kind.DM:
                raise self._lost("hdlc-disconnected", "the meter says that the HDLC connection is gone")
            self._on_numbered(frame, kind, now, apdus)

    def _on_server_frame(self, frame: Frame, kind: int, now: float, apdus: list[bytes]) -> None:
        if kind == Kind.SNRM or self._client_address is None:
            self._client_address = frame.source.upper
        if kind == Kind.SNRM:
            self._agreed = self._proposed.meet(Parameters.decode(frame.information))
            self._emit(Kind.UA | POLL_FINAL, self._agreed.encode())
            self._link_up()
        elif kind == Kind.DISC:
            self._emit((Kind.UA if self.state is LinkState.UP else Kind.DM) | POLL_FINAL)
            self.state = LinkState.DOWN
            self._reset()
        elif self.state is LinkState.UP:
            self._on_numbered(frame, kind, now, apdus)
        elif frame.poll_final:
            self._emit(Kind.DM | POLL_FINAL)

    def _link_up(self) -> None:
        self.state = LinkState.UP
        self._answer_by = None
        self._tries = 0
        self._reset()

    def _on_numbered(self, frame: Frame, kind: int, now: float, apdus: list[bytes]) -> None:
        if kind not in (Kind.I, Kind.RR, Kind.RNR):
            return
        news = self._acknowledge(frame.receive_number)
        self._busy = kind == Kind.RNR
        expecting = False
        ahead = 0
        if kind == Kind.I:
            ahead = (frame.send_number - self._receive_number) % NUMBERS
            if ahead == 0:
                self._receive_number = (self._receive_number + 1) % NUMBERS
                expecting = self._take_segment(frame, apdus)
                news = True
        if not self._client:
            if frame.poll_final:
                self._turn = self._owes = True
                self._take_turn(now)
        elif not frame.poll_final:
            if news and self._answer_by is not None:
                self._answer_by = now + self._response_timeout_s
        elif not self._turn and not self._is_late(kind, ahead, news=news):
            self._on_final(kind, now, expecting=expecting or ahead > 0)

    def _is_late(self, kind: int, ahead: int, *, news: bool) -> bool:
        """Whether this is the second answer to a question that was asked twice because the first answer was slow.

        Such a frame repeats one that is here (its number lies a window or more ahead, that is behind), or leaves
        unacknowledged the only frame that was sent, though nobody answers a question that was not received.
        """
        if news:
            return False
        return ahead >= self._agreed.window_rx if kind == Kind.I else kind == Kind.RR and self._burst == 1

    def _on_final(self, kind: int, now: float, *, expecting: bool) -> None:
        """The meter has given the turn back to the client: go on, ask for more, or rest."""
        self._turn = True
        self._answer_by = None
        if kind == Kind.RNR or (kind == Kind.RR and not (self._unacknowledged or self._segments)):
            if self._busy or self._awaiting:
                self._poll_later(now)
        elif expecting or self._unacknowledged or self._segments or self._parts:
            self._polls = 0
            self._take_turn(now, poll=True)

    def _poll_later(self, now: float) -> None:
        """The meter has no room, or nothing to say yet: ask again, but not at once."""
        self._polls += 1
        if self._polls > MAX_POLLS:
            raise self._lost("hdlc-busy", f"the meter put us off {MAX_POLLS} times")
        self._turn = False
        self._pausing = True
        self._answer_by = now + POLL_PAUSE_S

    def _acknowledge(self, expected: int) -> bool:
        """The peer expects ``expected`` next: everything before it has arrived. Whether that is new."""
        unacknowledged = self._unacknowledged
        first = unacknowledged[0][0] if unacknowledged else self._send_number
        count = (expected - first) % NUMBERS
        if count > len(unacknowledged):
            raise WireError(
                "hdlc-sequence", f"frame {expected} acknowledged, {len(unacknowledged)} outstanding from {first}"
            )
        for _ in range(count):
            unacknowledged.popleft()
        if count:
            self._advance()
        return count > 0

    def _advance(self) -> None:
        self.progress += 1
        self._idle_frames = 0
        self._tries = 0

    def _take_segment(self, frame: Frame, apdus: list[bytes]) -> bool:
        """Keep one segment; whether, after the APDU that it may complete, the meter has more to say unasked."""
        if frame.information:
            self._advance()
        self._polls = 0
        whole = self._parts.feed(frame.information, segmented=frame.segmented, max_apdu=self.max_apdu)
        if whole is None:
            return True
        self._awaiting = gbt.more_will_follow(whole)
        self._advance()
        apdus.append(whole)
        return self._awaiting

    def _on_unnumbered(self, frame: Frame, apdus: list[bytes]) -> None:
        """Pushed data (UI): without numbers, so a piece that is damaged takes the whole with it."""
        whole = self._pushed.feed(frame.information, segmented=frame.segmented, max_apdu=self.max_apdu)
        if whole is not None:
            self._idle_frames = 0
            apdus.append(whole)
