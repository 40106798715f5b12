"""``python -m bench audit``: what the audit log costs, and how small its proofs are.

Records of 300 bytes. Threads append at the same time, one record or a batch each; then one appends alone, as a look-up does,
in turn with the same bytes to a file of their own, and the flush within is taken apart from the rest. The proof is of a record
among ten million: its tree is one of equal records, whose hashes need not be stored.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from kwartier.audit import proof
from kwartier.audit.checkpoint import Checkpoint
from kwartier.audit.log import Log, new_origin
from kwartier.audit.note import COSIGNATURE, Signer, new_key
from kwartier.audit.proof import Proof
from kwartier.audit.tree import leaf_hash, node_hash, tree_hash
from kwartier.audit.verify import verify

RECORD = b"{" + b"x" * 298 + b"}"
LARGE = 10_000_000
PLACE = 4_321_987
"""A record whose proof is as long as any."""
CHECKS = 200
MS = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Rates a second, times in milliseconds, sizes in bytes; of times the median."""

    batched_records_per_s: float
    single_records_per_s: float
    append_ms: float
    flush_ms: float
    beyond_flush_ms: float
    worst_beyond_flush_ms: float
    """Of a hundred, the second worst."""
    plain_flush_ms: float
    """The same bytes appended to a file of their own."""
    checkpoint_ms: float
    verified_records_per_s: float
    proof_bytes: int
    proof_with_record_bytes: int
    check_ms: float


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench audit", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--records", type=int, default=200_000, help="records in batches (default %(default)s)")
    parser.add_argument("--threads", type=int, default=16, help="threads at once (default %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the log is made, to measure that disk")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        found = measure(Path(folder), chosen.records, chosen.threads)
    if chosen.json:
        print(json.dumps(asdict(found), indent=2))
        return
    for name, value in asdict(found).items():
        print(f"{name:<26}{value:>14,.3f}")


def measure(folder: Path, records: int, threads: int) -> Found:
    """Everything, in a log of its own."""
    signer = Signer(new_key(new_origin()))
    alone = max(20, records // 1000)
    with Log(folder / "audit", signer) as log:
        batched = together(log, threads, records // threads // 64 + 1, 64)
        single = together(log, threads, records // threads // 640 + 1, 1)
        appended, flushed, plain = look_ups(log, folder / "plain", alone)
        log.checkpoint()
        log.append([RECORD] * 100)
        begin = time.perf_counter()
        log.checkpoint()
        checkpoint_ms = (time.perf_counter() - begin) * MS
        size = log.size
    begin = time.perf_counter()
    verify(folder / "audit", signer.verifier)
    verified = size / (time.perf_counter() - begin)
    beyond = sorted(whole - flush for whole, flush in zip(appended, flushed, strict=True))
    bare, whole, check_ms = large_proof(signer)
    return Found(
        batched_records_per_s=batched,
        single_records_per_s=single,
        append_ms=statistics.median(appended) * MS,
        flush_ms=statistics.median(flushed) * MS,
        beyond_flush_ms=statistics.median(beyond) * MS,
        worst_beyond_flush_ms=beyond[-1 - len(beyond) // 50] * MS,
        plain_flush_ms=statistics.median(plain) * MS,
        checkpoint_ms=checkpoint_ms,
        verified_records_per_s=verified,
        proof_bytes=bare,
        proof_with_record_bytes=whole,
        check_ms=check_ms,
    )


def together(log: Log, threads: int, turns: int, batch: int) -> float:
    """Records a second when all append at once."""
    ready = threading.Barrier(threads + 1)

    def work() -> None:
        ready.wait()
        for _ in range(turns):
            log.append([RECORD] * batch)

    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(work) for _ in range(threads)]
        ready.wait()
        begin = time.perf_counter()
        for one in running:
            one.result()
        return threads * turns * batch / (time.perf_counter() - begin)


def look_ups(log: Log, path: Path, count: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds of each append by one alone, of the flush in it, and of the same bytes without any log."""
    appended, flushed, bare = [], [], []
    plain, spent_s = os.fdatasync, 0.0

    def timed(descriptor: int) -> None:
        nonlocal spent_s
        begin = time.perf_counter()
        plain(descriptor)
        spent_s += time.perf_counter() - begin

    with path.open("ab", buffering=0) as file:
        for _ in range(count):
            begin = time.perf_counter()
            file.write(RECORD)
            plain(file.fileno())
            bare.append(time.perf_counter() - begin)
            setattr(os, plain.__name__, timed)
            try:
                spent_s, begin = 0.0, time.perf_counter()
                log.append([RECORD])
                appended.append(time.perf_counter() - begin)
            finally:
                setattr(os, plain.__name__, plain)
            flushed.append(spent_s)
    return appended, flushed, bare


def large_proof(signer: Signer) -> tuple[int, int, float]:
    """Bytes of a proof among ten million records, without its record and with it; milliseconds of a check."""
    witness = Signer(new_key(f"witness/{'0' * 16}", COSIGNATURE))
    heights = [leaf_hash(RECORD)]
    for _ in range(LARGE.bit_length()):
        heights.append(node_hash(heights[-1], heights[-1]))

    def nodes(height: int, _index: int) -> bytes:
        return heights[height]

    made = Checkpoint(origin=signer.name, size=LARGE, root=tree_hash(nodes, 0, LARGE))
    made = made.signed([signer.sign(made.text), witness.sign(made.text, at=int(time.time()))])
    whole = str(proof.make(nodes, PLACE, RECORD, made))
    bare = whole.replace(whole.splitlines(keepends=True)[1], "")
    times = []
    for _ in range(CHECKS):
        begin = time.perf_counter()
        Proof.parse(whole.encode()).check(signer.verifier, [witness.verifier])
        times.append(time.perf_counter() - begin)
    return len(bare.encode()), len(whole.encode()), statistics.median(times) * MS


if __name__ == "__main__":
    main(sys.argv[1:])
