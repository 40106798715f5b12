"""The conformance block by number and by name."""

from kwartier.dlms.conformance import Conformance, conformance_names


def test_the_block_of_the_green_book_example_has_these_names() -> None:
    # 00 50 1F: what the server of the AARE examples (Green Book, clause 11) agrees to.
    assert conformance_names(0x00501F) == (
        "priority-mgmt-supported",
        "block-transfer-with-get-or-read",
        "get",
        "set",
        "selective-access",
        "event-notification",
        "action",
    )


def test_each_of_the_24_bits_has_a_name_of_its_own() -> None:
    names = [conformance_names(1 << bit) for bit in range(24)]
    assert all(len(name) == 1 for name in names)
    assert len(set(names)) == 24
    assert conformance_names(Conformance.GET | Conformance.ACTION) == ("get", "action")
    assert conformance_names(0) == ()
