"""A setting names an engine or is refused, and no cluster is joined without a secret that only its owner can read."""

from pathlib import Path

import pytest

from kwartier.compute.choice import engine_of, master_of
from kwartier.compute.local import Local
from kwartier.compute.secret import ENVIRONMENT, FILE_NAME, secret_of
from kwartier.compute.spark import Spark
from kwartier.errors import InputError
from tests.compute.standalone import is_there
from tests.conftest import skip_unless

SECRET = "0123456789abcdef" * 4


def test_what_names_an_engine(tmp_path: Path) -> None:
    assert master_of("local") is None
    assert master_of("spark://cluster.example:7077") == ("cluster.example", 7077)
    assert master_of("spark://[::1]:7077") == ("[::1]", 7077)
    with engine_of("local", tmp_path) as engine:
        assert isinstance(engine, Local)


NO_ENGINES = (
    *(
        "",
        " local",
        "Local",
        "local[4]",
        "yarn",
        "spark",
        "spark://",
        "spark://host",
        "spark://host:0",
        "spark://host:65536",
    ),
    *("spark://a:1,b:2", "spark://host:7077/path", "spark://user@host:7077", "spark://-host:1", "http://host:1"),
)


@pytest.mark.parametrize("setting", NO_ENGINES)
def test_what_names_none(setting: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused, engine_of(setting, tmp_path):
        pass
    assert refused.value.code == "bad-engine"


def test_the_secret_is_read_from_a_file_of_its_owner_or_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(f"{SECRET}\n", "ascii")
    path.chmod(0o600)
    assert secret_of(tmp_path) == SECRET
    monkeypatch.setenv(ENVIRONMENT, SECRET[::-1])
    assert secret_of(tmp_path) == SECRET[::-1]


@pytest.mark.parametrize(
    ("text", "mode", "code"),
    [
        (None, 0o600, "no-spark-secret"),
        (SECRET, 0o640, "open-spark-secret"),
        (SECRET, 0o604, "open-spark-secret"),
        ("short", 0o600, "bad-spark-secret"),
        (SECRET[:40] + " " + SECRET[:8], 0o600, "bad-spark-secret"),
        (SECRET * 5, 0o600, "bad-spark-secret"),
    ],
)
def test_without_a_good_secret_there_is_no_cluster(tmp_path: Path, text: str | None, mode: int, code: str) -> None:
    if text is not None:
        (tmp_path / FILE_NAME).write_text(text, "ascii")
        (tmp_path / FILE_NAME).chmod(mode)
    with pytest.raises(InputError) as refused, engine_of("spark://127.0.0.1:7077", tmp_path):
        pass
    assert refused.value.code == code
    assert text is None or text not in str(refused.value)


def test_a_cluster_is_not_called_upon_before_there_is_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_unless(is_there(), "a cluster takes pyspark and Java 17")
    monkeypatch.setenv(ENVIRONMENT, SECRET)
    with engine_of("spark://127.0.0.1:1", tmp_path) as engine:
        assert isinstance(engine, Spark)
        assert SECRET not in repr(engine)
