"""Other implementations as oracles: what they write we read, what we write they read, and the bytes are the same.

gurux_dlms reads every vector and every message drawn here into XML, whose elements are held against our fields; dlms-cosem
writes the same messages and must come to the same bytes.
"""

import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from dlms_cosem import cosem, enumerations
from dlms_cosem.protocol import acse, xdlms
from gurux_dlms import GXDLMSClient, GXDLMSTranslator
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSData, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

from kwartier.dlms import registry, services
from kwartier.dlms.association import Aare, Aarq, Rlre, Rlrq
from kwartier.dlms.conformance import Conformance

VECTORS = Path(__file__).parents[1] / "vectors"
FILES = ("apdu_green_book.toml", "apdu_constructed.toml", "association_green_book.toml")
WRAPPER_HEADER_BYTES = 8

NOT_READ_BY_GURUX = {
    # its reader does not take a dedicated key, nor any exception with service error 6
    "initiate-request with dedicated key, response not allowed, quality of service",
    "exception-response, invocation-counter-error with the counter expected",
    "exception-response, invocation-counter-error of an older meter, without counter",
}

ELEMENTS = {
    "InvokeIdAndPriority": "invoke_id_and_priority",
    "LongInvokeIdAndPriority": "long_invoke_id_and_priority",
    "ClassId": "class_id",
    "InstanceId": "obis",
    "AttributeId": "attribute",
    "MethodId": "method",
    "BlockNumber": "block_number",
    "LastBlock": "last_block",
    "RawData": "raw",
    "DateTime": "date_time",
    "Time": "time",
    "ProposedMaxPduSize": "max_pdu",
    "NegotiatedMaxPduSize": "max_pdu",
    "ProposedDlmsVersionNumber": "version",
    "NegotiatedDlmsVersionNumber": "version",
    "VaaName": "vaa_name",
    "AssociationResult": "result",
    "ACSEServiceUser": "diagnostic",
    "CallingAPTitle": "calling_title",
    "CallingAuthentication": "calling_authentication_value",
    "RespondingAuthentication": "responding_authentication_value",
}
"""Elements of the XML that gurux writes -> our fields; values are hexadecimal."""


def vectors() -> list[tuple[str, bytes]]:
    rows = [row for file in FILES for row in tomllib.loads((VECTORS / file).read_text("utf-8"))["apdu"]]
    return [(row["name"], bytes.fromhex(row["hex"])) for row in rows if row["name"] not in NOT_READ_BY_GURUX]


def hold_against_gurux(apdu: bytes) -> int:
    """Compare every element that both sides know; the number of them."""
    message = registry.parse(apdu)
    inside = getattr(message, "user_information", None)
    # The user information of an association appears in gurux's tree too, unless it is ciphered.
    parts = [message] if not inside or inside[0] not in (0x01, 0x08) else [message, registry.parse(inside)]
    compared = 0
    for element in ET.fromstring(GXDLMSTranslator().pduToXml(apdu.hex())).iter():
        attribute = ELEMENTS.get(element.tag)
        holder = next((part for part in parts if attribute is not None and hasattr(part, attribute)), None)
        if attribute is None or holder is None:
            continue
        ours = getattr(holder, attribute)
        theirs = element.attrib["Value"]
        assert (ours == bytes.fromhex(theirs)) if isinstance(ours, bytes) else (ours == int(theirs, 16)), element.tag
        compared += 1
    return compared


@pytest.mark.parametrize(("name", "apdu"), vectors(), ids=[name for name, _ in vectors()])
def test_gurux_reads_a_vector_as_we_do(name: str, apdu: bytes) -> None:
    compared = hold_against_gurux(apdu)
    # Elements of lists repeat, errors and reasons are words: those vectors are held against our own expectation only.
    if not name.startswith(("RLRQ", "RLRE", "exception", "confirmed")):
        assert compared > 0


def client(authentication: Authentication, password: bytes | None = None) -> GXDLMSClient:
    return GXDLMSClient(True, 16, 1, authentication, password, InterfaceType.WRAPPER)


def only(frames: list[bytes]) -> bytes:
    (frame,) = frames
    return bytes(frame)[WRAPPER_HEADER_BYTES:]


def test_the_association_requests_of_gurux_are_read() -> None:
    public = registry.parse(only(client(Authentication.NONE).aarqRequest()))
    assert isinstance(public, Aarq)
    assert (public.application_context, public.mechanism, public.authenticated) == (1, None, False)
    assert isinstance(registry.parse(public.user_information or b""), services.InitiateRequest)

    password = registry.parse(only(client(Authentication.LOW, b"12345678").aarqRequest()))
    assert isinstance(password, Aarq)
    assert (password.mechanism, password.calling_authentication_value) == (1, b"12345678")

    secure = GXDLMSSecureClient(True, 1, 1, Authentication.HIGH_GMAC, None, InterfaceType.WRAPPER)
    secure.ciphering.systemTitle = b"KWA00001"
    secure.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    ciphered = registry.parse(only(secure.aarqRequest()))
    assert isinstance(ciphered, Aarq)
    assert (ciphered.application_context, ciphered.mechanism, ciphered.calling_title) == (3, 5, b"KWA00001")
    assert (ciphered.user_information or b"")[:1] == b"\x21"


def test_the_requests_of_gurux_are_ours_byte_for_byte() -> None:
    peer = client(Authentication.NONE)
    energy = GXDLMSRegister("1.0.1.8.0.255")
    register = bytes((1, 0, 1, 8, 0, 255))
    read = services.GetRequestNormal(invoke_id_and_priority=0xC1, class_id=3, obis=register, attribute=2)
    assert only(peer.read(energy, 2)) == registry.build(read)
    reset = services.ActionRequestNormal(
        invoke_id_and_priority=0xC1, class_id=3, obis=register, method=1, value=b"\x0f\x00"
    )
    assert registry.parse(only(peer.method(energy, 1, 0, 15))) == reset

    write = registry.parse(only(peer.write(GXDLMSData("0.0.96.1.0.255"), 2)))
    assert isinstance(write, services.SetRequestNormal)
    assert (write.class_id, write.obis, write.attribute, write.value) == (1, bytes((0, 0, 96, 1, 0, 255)), 2, b"\x00")

    rows = registry.parse(only(peer.readRowsByEntry(GXDLMSProfileGeneric("1.0.99.1.0.255"), 1, 4)))
    assert isinstance(rows, services.GetRequestNormal)
    assert rows.access == bytes.fromhex("02 0204 0600000001 0600000004 120001 120000")


OBIS = bytes((0, 0, 1, 0, 0, 255))
THEIR_OBIS = cosem.Obis(0, 0, 1, 0, 0, 255)
CLOCK = cosem.CosemAttribute(enumerations.CosemInterface.CLOCK, THEIR_OBIS, 2)
HIGH = xdlms.InvokeIdAndPriority(invoke_id=1, confirmed=True, high_priority=True)
THEIR_CONFORMANCE = xdlms.Conformance(get=True, selective_access=True, block_transfer_with_get_or_read=True)
OUR_CONFORMANCE = Conformance.GET | Conformance.SELECTIVE_ACCESS | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
VALUE = bytes.fromhex("0600000FFF")
CHALLENGE = b"ChallengeChallen"

THEIR_INITIATE = xdlms.InitiateRequest(proposed_conformance=THEIR_CONFORMANCE, client_max_receive_pdu_size=1200)
THEIR_ACCEPT = xdlms.InitiateResponse(negotiated_conformance=THEIR_CONFORMANCE, server_max_receive_pdu_size=500)
OUR_INITIATE = services.InitiateRequest(conformance=OUR_CONFORMANCE, max_pdu=1200)
OUR_ACCEPT = services.InitiateResponse(conformance=OUR_CONFORMANCE, max_pdu=500)

PAIRS = [
    (
        xdlms.GetRequestNormal(cosem_attribute=CLOCK, invoke_id_and_priority=HIGH),
        services.GetRequestNormal(invoke_id_and_priority=0xC1, class_id=8, obis=OBIS, attribute=2),
    ),
    (
        xdlms.GetRequestNext(block_number=7, invoke_id_and_priority=HIGH),
        services.GetRequestNext(invoke_id_and_priority=0xC1, block_number=7),
    ),
    (
        xdlms.GetResponseNormalWithError(
            error=enumerations.DataAccessResult.OBJECT_UNDEFINED, invoke_id_and_priority=HIGH
        ),
        services.GetResponseNormal(invoke_id_and_priority=0xC1, result=4),
    ),
    (
        xdlms.GetResponseWithBlock(data=VALUE, block_number=3, invoke_id_and_priority=HIGH),
        services.GetResponseBlock(invoke_id_and_priority=0xC1, last_block=False, block_number=3, raw=VALUE),
    ),
    (
        xdlms.GetResponseLastBlock(data=VALUE, block_number=4, invoke_id_and_priority=HIGH),
        services.GetResponseBlock(invoke_id_and_priority=0xC1, last_block=True, block_number=4, raw=VALUE),
    ),
    (
        xdlms.SetRequestNormal(cosem_attribute=CLOCK, data=VALUE, invoke_id_and_priority=HIGH),
        services.SetRequestNormal(invoke_id_and_priority=0xC1, class_id=8, obis=OBIS, attribute=2, value=VALUE),
    ),
    (
        xdlms.SetResponseNormal(result=enumerations.DataAccessResult.READ_WRITE_DENIED, invoke_id_and_priority=HIGH),
        services.SetResponseNormal(invoke_id_and_priority=0xC1, result=3),
    ),
    (
        xdlms.ActionRequestNormal(
            cosem_method=cosem.CosemMethod(enumerations.CosemInterface.CLOCK, THEIR_OBIS, 1),
            data=VALUE,
            invoke_id_and_priority=HIGH,
        ),
        services.ActionRequestNormal(invoke_id_and_priority=0xC1, class_id=8, obis=OBIS, method=1, value=VALUE),
    ),
    (
        xdlms.ActionResponseNormal(status=enumerations.ActionResultStatus.SUCCESS, invoke_id_and_priority=HIGH),
        services.ActionResponseNormal(invoke_id_and_priority=0xC1, result=0),
    ),
    (
        xdlms.ActionResponseNormalWithData(
            status=enumerations.ActionResultStatus.SUCCESS, data=VALUE, invoke_id_and_priority=HIGH
        ),
        services.ActionResponseNormal(invoke_id_and_priority=0xC1, result=0, value=VALUE),
    ),
    (THEIR_INITIATE, OUR_INITIATE),
    (THEIR_ACCEPT, OUR_ACCEPT),
    (
        acse.ApplicationAssociationRequest(
            ciphered=True,
            system_title=b"KWA00001",
            authentication=enumerations.AuthenticationMechanism.HLS_GMAC,
            authentication_value=CHALLENGE,
            user_information=acse.UserInformation(THEIR_INITIATE),
        ),
        Aarq(
            application_context=3,
            calling_title=b"KWA00001",
            mechanism=5,
            calling_authentication_value=CHALLENGE,
            user_information=OUR_INITIATE.encode(),
        ),
    ),
    (
        acse.ApplicationAssociationResponse(
            result=enumerations.AssociationResult.ACCEPTED,
            result_source_diagnostics=enumerations.AcseServiceUserDiagnostics.AUTHENTICATION_REQUIRED,
            ciphered=True,
            system_title=b"MTR00001",
            authentication=enumerations.AuthenticationMechanism.HLS_GMAC,
            authentication_value=CHALLENGE,
            user_information=acse.UserInformation(THEIR_ACCEPT),
        ),
        Aare(
            result=0,
            diagnostic=14,
            application_context=3,
            responding_title=b"MTR00001",
            mechanism=5,
            responding_authentication_value=CHALLENGE,
            user_information=OUR_ACCEPT.encode(),
        ),
    ),
    (
        acse.ApplicationAssociationResponse(
            result=enumerations.AssociationResult.REJECTED_PERMANENT,
            result_source_diagnostics=enumerations.AcseServiceProviderDiagnostics.NO_COMMON_ACSE_VERSION,
        ),
        Aare(result=1, diagnostic_source=2, diagnostic=2, application_context=1),
    ),
    (
        acse.ReleaseRequest(
            reason=enumerations.ReleaseRequestReason.NORMAL, user_information=acse.UserInformation(THEIR_INITIATE)
        ),
        Rlrq(reason=0, user_information=OUR_INITIATE.encode()),
    ),
    (acse.ReleaseResponse(reason=enumerations.ReleaseResponseReason.NOT_FINISHED), Rlre(reason=1)),
]


@pytest.mark.parametrize(("theirs", "ours"), PAIRS, ids=[type(theirs).__name__ for theirs, _ in PAIRS])
def test_dlms_cosem_writes_the_same_bytes(theirs: Any, ours: registry.Apdu) -> None:  # noqa: ANN401 - an untyped peer
    apdu = bytes(theirs.to_bytes())
    assert registry.build(ours) == apdu
    assert registry.parse(apdu) == ours


def test_dlms_cosem_reads_our_get_response() -> None:
    # Its own writer of this message fails, so only its reader can vouch for us.
    apdu = registry.build(services.GetResponseNormal(invoke_id_and_priority=0xC1, data=VALUE))
    assert xdlms.GetResponseNormal.from_bytes(apdu).data == VALUE
