"""Interface classes: the table, by the numbers of the Blue Book, and a class that nobody wrote down."""

import pytest

from kwartier.cosem.classes import CLASSES, SUPPLY_AFFECTING, attribute_name, class_name, method_name

WANTED = (1, 3, 4, 5, 7, 8, 9, 11, 15, 17, 18, 20, 21, 22, 23, 27, 40, 41, 43, 44, 45, 47, 64, 72, 74)
# Blue Book, part 2, the table of each class: its attributes and methods in the version that is written down.
FACTS = {
    1: ("Data", 2, 0),
    3: ("Register", 3, 1),
    4: ("Extended register", 5, 1),
    5: ("Demand register", 9, 2),
    7: ("Profile generic", 8, 4),
    8: ("Clock", 9, 6),
    9: ("Script table", 2, 1),
    11: ("Special days table", 2, 2),
    17: ("SAP assignment", 2, 1),
    18: ("Image transfer", 7, 4),
    20: ("Activity calendar", 10, 1),
    21: ("Register monitor", 4, 0),
    22: ("Single action schedule", 4, 0),
    23: ("IEC HDLC setup", 9, 0),
    41: ("TCP-UDP setup", 6, 0),
    43: ("MAC address setup", 2, 0),
    64: ("Security setup", 6, 8),
    70: ("Disconnect control", 4, 2),
}


@pytest.mark.parametrize("class_id", WANTED)
def test_the_class_is_in_the_table_and_its_names_are_its_own(class_id: int) -> None:
    row = CLASSES[class_id]
    assert row.class_id == class_id
    assert row.attributes[0] == "logical_name"
    for names in (row.attributes, row.methods):
        assert len(set(names)) == len(names)
        assert all(name and " " not in name for name in names)
    assert attribute_name(class_id, len(row.attributes)) == row.attributes[-1]
    assert class_name(class_id) == row.name


@pytest.mark.parametrize("class_id", FACTS)
def test_a_class_has_as_many_attributes_and_methods_as_the_standard_says(class_id: int) -> None:
    name, attributes, methods = FACTS[class_id]
    row = CLASSES[class_id]
    assert (row.name, len(row.attributes), len(row.methods)) == (name, attributes, methods)


@pytest.mark.parametrize(
    ("class_id", "attribute", "name"),
    [
        (3, 2, "value"),
        (3, 3, "scaler_unit"),
        (4, 5, "capture_time"),
        (5, 4, "scaler_unit"),
        (7, 2, "buffer"),
        (7, 3, "capture_objects"),
        (7, 4, "capture_period"),
        (7, 5, "sort_method"),
        (7, 7, "entries_in_use"),
        (7, 8, "profile_entries"),
        (8, 2, "time"),
        (8, 3, "time_zone"),
        (15, 2, "object_list"),
        (18, 6, "image_transfer_status"),
    ],
)
def test_attributes_stand_at_their_numbers(class_id: int, attribute: int, name: str) -> None:
    assert attribute_name(class_id, attribute) == name


def test_methods_stand_at_theirs() -> None:
    assert method_name(15, 1) == "reply_to_HLS_authentication"
    assert method_name(64, 2) == "key_transfer"
    assert method_name(7, 1) == "reset"


@pytest.mark.parametrize("class_id", [0, 2, 999, 65535])
def test_an_unknown_class_still_reads(class_id: int) -> None:
    assert class_name(class_id) == f"class {class_id}"
    assert attribute_name(class_id, 1) == "logical_name"
    assert attribute_name(class_id, 2) == "attribute 2"
    assert method_name(class_id, 1) == "method 1"


def test_a_number_beyond_a_known_class_prints_as_a_number() -> None:
    assert attribute_name(3, 99) == "attribute 99"
    assert attribute_name(3, 0) == "attribute 0"
    assert attribute_name(3, -1) == "attribute -1"
    assert method_name(3, 0) == "method 0"
    assert method_name(1, 1) == "method 1"


def test_what_can_interrupt_a_supply_is_known_by_name() -> None:
    assert {class_id: class_name(class_id) for class_id in SUPPLY_AFFECTING} == {
        68: "Arbitrator",
        70: "Disconnect control",
        71: "Limiter",
    }


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CLASSES[1] = CLASSES[3]  # type: ignore[index]  # a read-only view, which is what this is about
