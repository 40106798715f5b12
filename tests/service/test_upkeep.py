"""Tidying, wherever the settings say that the readings are."""

import time
from pathlib import Path

from kwartier.service.home import open_home
from kwartier.service.upkeep import tidy
from tests.service.street import installed, night, street


def test_a_store_that_several_hosts_share_is_tidied_where_it_is(tmp_path: Path) -> None:
    store = tmp_path / "shared" / "store"
    with street(tmp_path, 3, "--faults", "none") as fleet:
        home = installed(tmp_path, fleet, f'store = "{store}"')
        with night(home, "run", "--now") as reading:
            said = reading.communicate(timeout=60)
        assert reading.returncode == 0, said
    after_s = time.time() + 86_400
    with open_home(home) as opened:
        assert tidy(opened, keep_days=None, wall=lambda: after_s).rewritten_days == 1
        assert tidy(opened, keep_days=1, wall=lambda: after_s).dropped_days == 1
    assert not (home / "store").exists()
