"""A copy of a log that others append to is a whole log, and the records of one that has ended are all there."""

import threading
from pathlib import Path

from kwartier.audit import copying
from kwartier.audit.log import Log, new_origin
from kwartier.audit.note import Signer, new_key
from kwartier.audit.verify import verify

COPIES = 5


def test_a_copy_made_while_others_append_verifies_and_goes_no_further_than_its_moment(tmp_path: Path) -> None:
    signer = Signer(new_key(new_origin()))
    ended = threading.Event()

    def go_on(log: Log) -> None:
        number = 0
        while not ended.is_set():
            log.append([b"%d" % number])
            number += 1
            if number % 50 == 0:
                log.checkpoint()

    with Log(tmp_path / "log", signer) as log:
        log.append([b"first"] * 300)
        thread = threading.Thread(target=go_on, args=(log,))
        thread.start()
        try:
            for number in range(COPIES):
                copying.copy(tmp_path / "log", tmp_path / f"{number}")
        finally:
            ended.set()
            thread.join()
        for number in range(COPIES):
            found = list(copying.records(tmp_path / f"{number}"))
            assert found == list(log.records(0, len(found)))
            verify(tmp_path / f"{number}", log.key)
    assert list(copying.records(tmp_path / "nothing")) == []
