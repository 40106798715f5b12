"""Any bytes as what a meter says of its profile, as a selective access, and as a time: a value or a typed error."""

from contextlib import suppress

from kwartier.cosem import access
from kwartier.cosem import companion as companions
from kwartier.cosem import layout as layouts
from kwartier.cosem.drift import clock_time
from kwartier.errors import WireError

COMPANION = companions.load("smr-5.5")


def one(data: bytes) -> None:
    with suppress(WireError):
        columns = layouts.capture_objects(data)
        roles = layouts.roles_of(columns, COMPANION)
        assert len(roles) == len(columns)
        assert access.encode(access.Range(by=columns[0], start=bytes(12), end=bytes(12), columns=columns))
    for read in (layouts.whole_number, layouts.scaler_unit):
        with suppress(WireError):
            assert read(data, "a number") >= 0
    with suppress(WireError):
        asked = access.parse(data)
        assert access.parse(access.encode(asked)) == asked
    with suppress(WireError):
        clock_time(data, COMPANION, "Europe/Amsterdam")
