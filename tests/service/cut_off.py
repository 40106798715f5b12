"""A host with a network of its own, which is cut off in mid-night and comes back: ``python -m tests.service.cut_off FOLDER``.

To be run in an empty network namespace, in which are database, meters and one host; the other has another namespace, and
between the two there is one cable. Nothing of that can be reached from outside, or leaves anything behind.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests import postgres
from tests.service.test_kills import METERS, begin, check, days, end, on_postgres, plan, wait_until

OURS, THEIRS = "10.77.0.1", "10.77.0.2"
CABLE_ENDS = ("kw-here", "kw-there")
DATABASE_AT = "127.0.0.1"
LEASE_S = 8
BEFORE_CUT = 2 * METERS
"""Messages that the meters had got when the cable is cut."""


def run(*words: str) -> None:
    """A command of the system."""
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=30)


def allow_loopback(cable_end: str, within: tuple[str, ...] = ()) -> None:
    """Addresses of loopback may pass the cable: the meters' listeners have no other."""
    run(*within, "sh", "-c", f"echo 1 > /proc/sys/net/ipv4/conf/{cable_end}/route_localnet")


def lay_cable(pid: int) -> None:
    """From here to the namespace of a process, through which it reaches all that is here."""
    here, there = CABLE_ENDS
    within = ("nsenter", "--net", f"--target={pid}")
    run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", f"{pid}")
    run("ip", "address", "add", f"{OURS}/30", "dev", here)
    run("ip", "link", "set", here, "up")
    run(*within, "ip", "address", "add", f"{THEIRS}/30", "dev", there)
    run(*within, "ip", "link", "set", there, "up")
    run(*within, "ip", "route", "add", "127.0.0.0/8", "via", OURS, "dev", there)
    allow_loopback(here)
    allow_loopback(there, within)


def main(folder: Path) -> None:
    """The night."""
    run("ip", "link", "set", "lo", "up")
    server = postgres.server(DATABASE_AT)
    with days(folder, 3 * METERS) as street:
        ours, theirs = on_postgres(folder, street, server.database())
        day = street.turn_to(0)
        plan(ours, street, day)
        # It waits for a line before it becomes the process of the night, and has a network by then.
        wait = ("unshare", "--net", "sh", "-c", 'read line; exec "$@"', "sh")
        cut = begin(theirs, street, day, lease_s=LEASE_S, within=wait)
        wait_until(lambda: namespace(cut.pid) != namespace(os.getpid()))
        lay_cable(cut.pid)
        assert cut.stdin is not None
        cut.stdin.write("\n")
        cut.stdin.flush()
        wait_until(lambda: street.fleet.watch.counters > BEFORE_CUT or cut.poll() is not None)
        assert cut.poll() is None, end(cut)
        run("ip", "link", "set", CABLE_ENDS[0], "down")
        assert end(begin(ours, street, day, lease_s=LEASE_S)) == 0
        check(ours, street, day)
        assert cut.poll() is None, "it waits for its database"
        run("ip", "link", "set", CABLE_ENDS[0], "up")
        assert end(cut) == 0
        check(theirs, street, day)
    server.stop()


def namespace(pid: int) -> str:
    """The network that a process is in."""
    return str(Path(f"/proc/{pid}/ns/net").readlink())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
