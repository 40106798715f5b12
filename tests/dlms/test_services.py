"""What the vectors of test_registry do not show: habits of real meters, and the bounds."""

import pytest

from kwartier.dlms import registry, services
from kwartier.dlms.cursor import Cursor
from kwartier.errors import WireError

TIME = bytes.fromhex("07E5030307070E372100FFC4")


def parse(text: str) -> registry.Apdu:
    return registry.parse(bytes.fromhex(text))


@pytest.mark.parametrize("form", ["0C", "09 0C", "19"])
def test_the_time_of_a_push_comes_with_and_without_its_inner_tag(form: str) -> None:
    message = registry.parse(bytes.fromhex("0F 00000001" + form) + TIME + b"\x11\x07")
    assert message == services.DataNotification(long_invoke_id_and_priority=1, date_time=TIME, body=b"\x11\x07")


@pytest.mark.parametrize("form", ["00", "09 00"])
def test_the_time_of_a_push_may_be_empty(form: str) -> None:
    message = parse("0F 40000000" + form + "11 07")
    assert isinstance(message, services.DataNotification)
    assert message.date_time == b""


@pytest.mark.parametrize("form", ["0B", "0D", "09 05", "81 0C", "01 0C"])
def test_another_length_of_the_time_is_refused(form: str) -> None:
    with pytest.raises(WireError) as caught:
        registry.parse(bytes.fromhex("0F 00000001" + form) + TIME + b"\x11\x07")
    assert caught.value.code == "bad-date-time"


@pytest.mark.parametrize("form", ["01 0C", "01 09 0C", "01 19"])
def test_the_time_of_an_event_comes_with_and_without_its_inner_tag(form: str) -> None:
    message = registry.parse(bytes.fromhex("C2" + form) + TIME + bytes.fromhex("0001 0000616200FF 02 11 07"))
    assert isinstance(message, services.EventNotification)
    assert (message.time, message.value) == (TIME, b"\x11\x07")


def test_an_action_response_may_leave_out_that_nothing_is_returned() -> None:
    assert parse("C7 01 C1 00") == parse("C7 01 C1 00 00")


def test_a_conformance_block_with_its_older_one_byte_tag_is_read() -> None:
    new = parse("08 00 06 5F1F040000501F 01F4 0007")
    assert parse("08 00 06 5F040000501F 01F4 0007") == new


@pytest.mark.parametrize("block", ["5F1F0407 00501F", "5F1F0300 501F", "5F0500 00501F", "00000000 00501F"])
def test_a_conformance_block_of_another_shape_is_refused(block: str) -> None:
    with pytest.raises(WireError) as caught:
        parse("08 00 06" + block + "01F4 0007")
    assert caught.value.code == "bad-conformance"


def test_response_allowed_is_true_when_absent_and_when_said() -> None:
    for said in ("00", "01 01", "01 FF"):
        message = parse("01 00" + said + "00 06 5F1F0400007E1F 04B0")
        assert isinstance(message, services.InitiateRequest)
        assert message.response_allowed


def test_an_exception_carries_a_counter_only_with_an_invocation_counter_error() -> None:
    with pytest.raises(WireError) as caught:
        parse("D8 01 01 00000001")
    assert caught.value.code == "trailing-bytes"


def test_a_get_response_hands_out_all_that_remains_without_walking_it() -> None:
    message = parse("C4 01 C1 00 06 0000002A EE")
    assert isinstance(message, services.GetResponseNormal)
    assert message.data == bytes.fromhex("06 0000002A EE")


def test_a_get_response_without_a_value_is_truncated() -> None:
    with pytest.raises(WireError) as caught:
        parse("C4 01 C1 00")
    assert caught.value.code == "truncated"


@pytest.mark.parametrize(
    "apdu", ["C4 01 C1 02 00", "C4 02 C1 00 00000001 02 00", "C4 03 C1 01 02 00", "C7 01 C1 00 01 02 00"]
)
def test_a_choice_that_the_standard_has_not_is_refused(apdu: str) -> None:
    with pytest.raises(WireError) as caught:
        parse(apdu)
    assert caught.value.code == "bad-choice"


def test_a_list_that_says_it_is_huge_is_refused_before_it_is_read() -> None:
    for head in ("C0 03 C1", "C4 03 C1"):
        with pytest.raises(WireError) as caught:
            parse(head + "84 FFFFFFFF 00 00")
        assert caught.value.code == "too-many-items"


def test_results_put_together_from_blocks_are_read_to_their_end() -> None:
    whole = bytes.fromhex("02 00 06 0000002A 01 03")
    assert services.parse_results(Cursor(whole)) == (bytes.fromhex("06 0000002A"), 3)
    with pytest.raises(WireError):
        services.parse_results(Cursor(whole + b"\x00"))


def test_errors_print_by_name_and_unknown_codes_survive() -> None:
    assert services.name(services.DATA_ACCESS_RESULT, 4) == "object-undefined"
    assert services.name(services.DATA_ACCESS_RESULT, 77) == "unknown (77)"
    refused = services.ExceptionResponse(state_error=1, service_error=6)
    assert (refused.state_error_name, refused.service_error_name) == ("service-not-allowed", "invocation-counter-error")
    error = services.ConfirmedServiceError(service=1, choice=6, value=2)
    assert (error.service_name, error.error_name) == ("initiate-error", "initiate: incompatible-conformance")
    strange = services.ConfirmedServiceError(service=200, choice=201, value=202)
    assert (strange.service_name, strange.error_name) == ("unknown (200)", "unknown (201): unknown (202)")
