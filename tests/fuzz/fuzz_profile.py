"""Any bytes as a profile's buffer: both paths agree, and a day of readings or a typed error comes of it."""

from datetime import date, timedelta

import numpy as np

from kwartier.cosem.even import read_even
from kwartier.cosem.exact import read_exact
from kwartier.cosem.layout import CLOCK, IGNORED, STATUS, Roles
from kwartier.cosem.profile import readings_of
from kwartier.cosem.rows import Rows
from kwartier.errors import WireError
from kwartier.model import Missing
from tests.cosem.buffers import LAYOUT, frame_of

DAY = date(2026, 10, 25)
FRAME = frame_of(DAY, DAY + timedelta(days=1))
SHAPES: tuple[Roles, ...] = (LAYOUT.roles, (CLOCK, STATUS, IGNORED, "import_wh", "export_wh"), ("import_wh", CLOCK))
REASONS = {int(reason) for reason in Missing}


def one(data: bytes) -> None:
    even, exact = _rows(read_even, data), _rows(read_exact, data)
    if isinstance(even, Rows):
        assert isinstance(exact, Rows)
        assert (even.size, even.clock) == (exact.size, exact.clock)
        assert even.registers.keys() == exact.registers.keys()
        assert all(np.array_equal(column, exact.registers[name]) for name, column in even.registers.items())
    elif even is None:
        assert exact is not None
    try:
        readings = readings_of(data, LAYOUT, FRAME, shapes=SHAPES)
    except WireError:
        assert not isinstance(exact, Rows)
        return
    for name, missing in readings.missing.items():
        assert set(missing.tolist()) <= REASONS
        assert not readings.registers[name][missing != 0].any()
        assert (readings.registers[name] >= 0).all()


def _rows(read: object, data: bytes) -> Rows | WireError | None:
    assert callable(read)
    try:
        rows = read(data, SHAPES)
    except WireError as error:
        return error
    assert rows is None or isinstance(rows, Rows)
    return rows
