"""How an association comes about, seen from the client: AARQ, AARE, and the two proofs of high-level security.

The AARE is believed only as far as its protection goes: the negotiated parameters come from user information whose tag was
verified, the meter's title must be the registered one, and with HLS-GMAC nothing counts before the meter has answered our
challenge (Green Book 9.2.7.4). A rejection needs no proof, since nothing follows from it.
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from kwartier.dlms import registry, services
from kwartier.dlms.association import Aare, Aarq, Rlrq
from kwartier.dlms.conformance import Conformance
from kwartier.dlms.protection import CIPHERED_TAGS, CounterRange, Family, Protection, SessionKeys
from kwartier.errors import SecurityError, StateError, WireError

CHALLENGE_BYTES = range(8, 65)
"""Lengths of an HLS challenge that are allowed (Green Book 9.2.7.4)."""
MIN_SERVER_PDU = 12
"""The smallest limit that a server may set (Green Book 9.4.6.1); 0 means none."""
LN = 1
LN_CIPHERED = 3
NO_SECURITY, LLS, HLS_GMAC = 0, 1, 5
"""The authentication mechanisms that are implemented (Green Book 9.4.2.2.3)."""
OCTETS_17 = b"\x09\x11"
"""The A-XDR head of an octet-string of 17 bytes, the form of both proofs."""
EXCEPTION_RESPONSE = 0xD8
MAX_PROPOSALS = 64
READER_CONFORMANCE = int(
    Conformance.GET
    | Conformance.SET
    | Conformance.ACTION
    | Conformance.SELECTIVE_ACCESS
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
    | Conformance.EVENT_NOTIFICATION
    | Conformance.DATA_NOTIFICATION
)
"""What the client proposes: only what is implemented."""


_PASS_3 = registry.build(
    # reply_to_HLS_authentication of the current association (Blue Book 4.4.4); the proof itself follows.
    services.ActionRequestNormal(
        invoke_id_and_priority=0xC1, class_id=15, obis=bytes((0, 0, 40, 0, 0, 255)), method=1, value=OCTETS_17
    )
)


@lru_cache(maxsize=MAX_PROPOSALS)
def _proposal(conformance: int, max_pdu: int) -> bytes:
    """The initiate-request of an association without a dedicated key: the same for a whole fleet."""
    return registry.build(services.InitiateRequest(conformance=conformance, max_pdu=max_pdu))


class Release(Enum):
    """How an association is taken leave of: meters differ, so the companion says."""

    PROTECTED = "protected"
    CLEAR = "clear"
    NONE = "none"
    """No RLRQ at all; the link is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationParameters:
    """What the client proposes, and what it insists on."""

    own_title: bytes = b""
    peer_title: bytes = b""
    """The registered system title of the meter: a meter that claims another one is refused."""
    mechanism: int = HLS_GMAC
    security_control: int = 0x30
    """The security control byte of every message, without key set; 0: not protected."""
    general: bool = False
    """Send general-glo-/general-ded-ciphering instead of the service-specific forms."""
    max_pdu: int = 0xFFFF
    conformance: int = READER_CONFORMANCE
    release: Release = Release.PROTECTED
    response_timeout_s: float = 15.0
    peer_counter: int = -1
    """The highest invocation counter ever accepted from this meter under its encryption key."""


class Handshake:
    """One association of a client in the making, and the protection that it leaves behind."""

    __slots__ = ("_challenge", "_keys", "_parameters", "conformance", "protection", "server_max_pdu")

    def __init__(
        self,
        parameters: AssociationParameters,
        *,
        keys: SessionKeys | None,
        counters: CounterRange | None,
        challenge: bytes,
    ) -> None:
        self._parameters = parameters
        self._keys = keys
        self._challenge = challenge
        self.conformance = 0
        self.server_max_pdu = 0
        self.protection: Protection | None = None
        self._check(keys, counters)
        if parameters.security_control and keys is not None and counters is not None:
            self.protection = Protection(
                control=parameters.security_control,
                own_title=parameters.own_title,
                peer_title=parameters.peer_title,
                keys=keys,
                counters=counters,
                peer_counter=parameters.peer_counter,
                general=parameters.general,
            )

    def _check(self, keys: SessionKeys | None, counters: CounterRange | None) -> None:
        mechanism = self._parameters.mechanism
        if mechanism not in (NO_SECURITY, LLS, HLS_GMAC):
            raise StateError("unsupported-mechanism", f"authentication mechanism {mechanism} is not implemented")
        if mechanism == HLS_GMAC and not self._parameters.security_control:
            raise StateError("bad-policy", "high-level security needs a protected association")
        if self._parameters.security_control and (keys is None or counters is None):
            raise StateError("no-keys", "a protected association needs keys and reserved invocation counters")
        if mechanism == LLS and (keys is None or keys.lls is None):
            raise StateError("no-keys", "low-level security needs a password")
        if mechanism == HLS_GMAC and len(self._challenge) not in CHALLENGE_BYTES:
            raise StateError("bad-own-challenge", f"a challenge of {len(self._challenge)} bytes, 8 to 64 are allowed")

    def _initiate_request(self, *, dedicated: bytes | None) -> bytes:
        parameters = self._parameters
        if dedicated is None:
            return _proposal(parameters.conformance, parameters.max_pdu)
        return registry.build(
            services.InitiateRequest(
                conformance=parameters.conformance, max_pdu=parameters.max_pdu, dedicated_key=dedicated
            )
        )

    @property
    def _context(self) -> int:
        return LN if self.protection is None else LN_CIPHERED

    def aarq(self) -> bytes:
        """The association request; spends one counter where the association is protected."""
        parameters, protection, keys = self._parameters, self.protection, self._keys
        information = self._initiate_request(dedicated=keys.dedicated if keys is not None and protection else None)
        if protection is not None:
            information = protection.protect(information)
        value = None
        if parameters.mechanism == HLS_GMAC:
            value = self._challenge
        elif parameters.mechanism == LLS and keys is not None:
            value = keys.lls
        return registry.build(
            Aarq(
                application_context=self._context,
                calling_title=None if protection is None else parameters.own_title,
                mechanism=parameters.mechanism or None,
                calling_authentication_value=value,
                user_information=information,
            )
        )

    def accept(self, aare: Aare) -> bytes | None:
        """Take an accepting AARE: the message of pass 3 to send, or None where the association stands already."""
        if aare.application_context != self._context:
            raise WireError(
                "wrong-context", f"application context {aare.application_context} where {self._context} was proposed"
            )
        registered = self._parameters.peer_title
        if aare.responding_title and registered and aare.responding_title != registered:
            raise SecurityError("identity", "the meter's system title in the AARE is not the registered one")
        self._negotiate(aare.user_information)
        if self._parameters.mechanism != HLS_GMAC or self.protection is None:
            return None
        challenge = aare.responding_authentication_value or b""
        if len(challenge) not in CHALLENGE_BYTES:
            raise SecurityError(
                "bad-challenge", f"the meter's challenge has {len(challenge)} bytes, 8 to 64 are allowed"
            )
        if challenge == self._challenge:
            raise SecurityError("challenge-reflected", "the meter sent our own challenge back")
        return self.protection.protect(_PASS_3 + self.protection.hls_value(challenge))

    def _negotiate(self, information: bytes | None) -> None:
        if not information:
            raise WireError("no-initiate-response", "the AARE accepts and holds no initiate-response")
        response = registry.parse(self.plain(information))
        if not isinstance(response, services.InitiateResponse):
            name = registry.service_name(response)
            raise WireError(
                "no-initiate-response", f"the AARE accepts and holds {name} instead of an initiate-response"
            )
        if response.max_pdu and response.max_pdu < MIN_SERVER_PDU:
            raise WireError("bad-max-pdu", f"the meter accepts APDUs of {response.max_pdu} bytes only")
        self.conformance = response.conformance & self._parameters.conformance
        self.server_max_pdu = response.max_pdu

    def prove(self, answer: services.ActionResponseNormal, *, outer_counter: int) -> None:
        """Verify pass 4; ``outer_counter`` is the peer's counter before the message that carried it."""
        protection = self.protection
        value = answer.value
        if answer.result != 0 or value is None or protection is None:
            raise SecurityError("hls-refused", f"the meter refused our proof of the keys with {answer.result}")
        if not value.startswith(OCTETS_17):
            raise SecurityError("hls-failed", "the meter's proof is not an octet-string of 17 bytes")
        protection.check_hls(value[2:], self._challenge, outer_counter=outer_counter)

    def complete(self) -> None:
        """The association stands: what follows goes under the dedicated key, where one was agreed."""
        if self.protection is not None and self._keys is not None and self._keys.dedicated is not None:
            self.protection.use_dedicated(self._keys.dedicated)
            self.protection.family = Family.DEDICATED

    def rlrq(self) -> bytes:
        """The release request; in the protected form it spends one counter, and without one left it goes clear."""
        information = None
        protection = self.protection
        if self._parameters.release is Release.PROTECTED and protection is not None:
            protection.family = Family.GLOBAL
            if protection.counters_left:
                information = protection.protect(self._initiate_request(dedicated=None))
        return registry.build(Rlrq(reason=0, user_information=information))

    def plain(self, apdu: bytes) -> bytes:
        """``apdu`` with its protection verified and taken off.

        In a protected association only an exception-response may come in the clear: it carries no value, and is all that
        a meter can say that could not decipher us.
        """
        protection = self.protection
        ciphered = apdu[0] in CIPHERED_TAGS
        if protection is None:
            if ciphered:
                raise SecurityError("wrong-protection", f"{CIPHERED_TAGS[apdu[0]][0]} in an association without keys")
            return apdu
        if ciphered:
            return protection.unprotect(apdu)
        if apdu[0] != EXCEPTION_RESPONSE:
            raise SecurityError("wrong-protection", f"APDU tag 0x{apdu[0]:02X} in the clear in a protected association")
        return apdu
