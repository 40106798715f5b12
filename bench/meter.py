"""The meter that is read: our simulated one, in a process of its own. Prints its port and serves until its input ends."""

import asyncio
import os
import sys
from functools import lru_cache

import uvloop

from bench.scene import (
    DLMS_COSEM_CLIENT,
    FIRST_OWN_CLIENT,
    GURUX_CLIENT,
    HOST,
    HOUSEHOLD_SEED,
    METER_TITLE,
    NOW_S,
    companion,
    identity,
)
from kwartier.dlms.server import AssociationPoint
from kwartier.simulate.host import Station, serve
from kwartier.simulate.household import seeded
from kwartier.simulate.meter import SimulatedMeter

MAX_REMEMBERED = 16
"""Answers that the meter need not compute again: its own time is not measured, but everybody waits for it."""


class QuickMeter(SimulatedMeter):
    """The simulated meter with its answers remembered. The buffer of a day never changes, since its clock stands still."""

    @lru_cache(maxsize=MAX_REMEMBERED)  # noqa: B019 - there is one meter, and it lives as long as the process
    def get(self, class_id: int, obis: bytes, attribute: int, access: bytes | None) -> bytes | int:
        """As the simulated meter, once."""
        return super().get(class_id, obis, attribute, access)


def station(own_clients: int) -> Station:
    """The meter with an association for each client: the foreign ones, and ``own_clients`` of ours."""
    here = Station(
        meter=QuickMeter(companion(), seeded(HOUSEHOLD_SEED, solar=True), now=lambda: NOW_S),
        system_title=METER_TITLE,
        keys=identity(GURUX_CLIENT).keys,
        client=GURUX_CLIENT,
        challenge=lambda: os.urandom(16),
    )
    for client in (DLMS_COSEM_CLIENT, *range(FIRST_OWN_CLIENT, FIRST_OWN_CLIENT + own_clients)):
        here.points[client] = AssociationPoint(keys=identity(client).keys)
    return here


async def main(own_clients: int) -> None:
    """Serve until standard input ends, so that the meter never outlives who started it."""
    server = await serve(station(own_clients), HOST)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
