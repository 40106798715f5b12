"""Files of rows: what is wrong is named by file, line, column and reason, and nothing is believed before all is good."""

import csv
import stat
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kwartier import rowfile
from kwartier.errors import InputError
from kwartier.rowfile import MAX_CELL, MAX_SHOWN, Column, Rows

COLUMNS = (
    Column(name="name", read=rowfile.name),
    Column(name="port", read=rowfile.whole(1, 65535)),
    Column(name="title", read=rowfile.hexadecimal(2, 4), default=None),
    Column(name="colour", read=rowfile.one_of("red", "blue"), default="red"),
    Column(name="note", read=rowfile.words(10), default=""),
    Column(name="secret", read=rowfile.hexadecimal(2), default=None, secret=True),
)


def read(path: Path, *, skip_bad: bool = False) -> Rows:
    return rowfile.read(path, COLUMNS, unique="name", skip_bad=skip_bad)


def file(folder: Path, content: str | bytes) -> Path:
    path = folder / "rows.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read(path)
    assert path.name in caught.value.detail
    return caught.value


def names(rows: Rows) -> list[rowfile.Value]:
    return [row["name"] for _, row in rows.good]


# What is read.


def test_the_header_of_a_file_can_be_asked_for_alone(tmp_path: Path) -> None:
    assert rowfile.header(file(tmp_path, "name, port ,title\nx,1,")) == ["name", "port", "title"]
    assert rowfile.header(file(tmp_path, "")) == []
    pyarrow.parquet.write_table(pyarrow.table({"name": ["x"], "port": [1]}), tmp_path / "rows.parquet")
    assert rowfile.header(tmp_path / "rows.parquet") == ["name", "port"]
    with pytest.raises(InputError) as caught:
        rowfile.header(tmp_path / "nothing.csv")
    assert caught.value.code == "unreadable-file"


def test_cells_become_values_and_empty_ones_defaults(tmp_path: Path) -> None:
    rows = read(file(tmp_path, "port,name,title\n4059, m-1 ,0aFF\n1,m-2,\n"))
    assert rows.bad == []
    assert rows.good == [
        (2, {"name": "m-1", "port": 4059, "title": b"\x0a\xff", "colour": "red", "note": "", "secret": None}),
        (3, {"name": "m-2", "port": 1, "title": None, "colour": "red", "note": "", "secret": None}),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "name,port\na,1\nb,2\n",
        "name,port\na,1\nb,2",
        "name,port\r\na,1\r\nb,2\r\n",
        "name,port\ra,1\rb,2\r",
        "\ufeffname,port\na,1\nb,2\n",
        '"name","port"\n"a","1"\n"b",2\n',
        " name , port \n a , 1 \n b , 2 \n",
        "name,port\n\na,1\n\n\nb,2\n,\n",
    ],
    ids=["plain", "no end", "crlf", "cr", "bom", "quoted", "spaces", "empty lines"],
)
def test_the_usual_ways_to_write_a_file_are_all_read(content: str, tmp_path: Path) -> None:
    assert names(read(file(tmp_path, content))) == ["a", "b"]


def test_a_quoted_cell_may_hold_commas_and_quotes(tmp_path: Path) -> None:
    rows = read(file(tmp_path, 'name,port,note\na,1,"x, ""y"""\n'))
    assert rows.good[0][1]["note"] == 'x, "y"'


def test_a_row_is_named_by_the_line_where_it_begins(tmp_path: Path) -> None:
    error = refused(file(tmp_path, 'name,port,note\na,1,"two\nlines"\nb,x,\n'))
    assert "line 2, column note: holds characters that cannot be shown" in error.detail
    assert "line 4, column port: 'x' is no whole number from 1 to 65535" in error.detail


def test_the_same_rows_as_parquet_are_the_same_rows(tmp_path: Path) -> None:
    table = pyarrow.table(
        {"port": [4059, 1], "name": ["m-1", "m-2"], "title": pyarrow.array([b"\x0a\xff", None], pyarrow.binary())}
    )
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(table, path)
    text = read(file(tmp_path, "port,name,title\n4059,m-1,0aff\n1,m-2,\n"))
    assert read(path).good == text.good


# What is refused, and how it is said.


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,0,,,,", "line 2, column port: '0' is no whole number from 1 to 65535"),
        ("a,65536,,,,", "column port: '65536' is no whole number"),
        ("a,1.0,,,,", "column port: '1.0' is no whole number"),
        ("a,+1,,,,", "column port: '+1' is no whole number"),
        ("a,\u0661,,,,", "column port: '\u0661' is no whole number"),
        ("a,,,,,", "column port: empty"),
        (",1,,,,", "column name: empty"),
        ("a b,1,,,,", "column name: 'a b' is not 1 to 64 letters"),
        (f"{'a' * 65},1,,,,", "column name: "),
        ("a,1,0a,,,", "column title: '0a' is not 4 or 8 hex digits"),
        ("a,1,0a0,,,", "column title: '0a0' is not 4 or 8 hex digits"),
        ("a,1,0a 0b,,,", "column title: '0a 0b' is not"),
        ("a,1,0x0a,,,", "column title: '0x0a' is not"),
        ("a,1,,green,,", "column colour: 'green' is none of red, blue"),
        ("a,1,,,12345678901,", "column note: '12345678901' is longer than 10 characters"),
        (f"a,1,,,{'x' * (MAX_CELL + 1)},", f"column note: longer than {MAX_CELL} characters"),
        ("a,1,,,\x1b[31m,", "column note: holds characters that cannot be shown"),
        ("a,1,,,,5EC4E7", "column secret: is not 4 hex digits"),
        ("a,1", "line 2, column title: 2 cells under 6 columns"),
        ("a,1,,,,,x", "line 2, column secret: 7 cells under 6 columns"),
    ],
)
def test_a_bad_row_is_named_by_line_column_and_reason(row: str, said: str, tmp_path: Path) -> None:
    error = refused(file(tmp_path, f"name,port,title,colour,note,secret\n{row}\nok,1,,,,\n"))
    assert error.code == "bad-rows"
    assert said in error.detail
    assert "5EC4E7" not in error.sentence()
    assert error.detail.startswith("rows.csv: 1 bad row: ")


def test_the_same_name_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    assert "line 4, column name: the same as in line 2" in refused(file(tmp_path, "name,port\na,1\nb,1\na,2\n")).detail


def test_many_bad_rows_are_counted_and_the_first_of_them_named(tmp_path: Path) -> None:
    lines = "".join(f"m{number},x\n" for number in range(MAX_SHOWN + 30))
    detail = refused(file(tmp_path, "name,port\n" + lines)).detail
    assert f"{MAX_SHOWN + 30} bad rows" in detail
    assert detail.count("column port") == MAX_SHOWN
    assert detail.endswith("and 30 more")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("\n\n", "column 'name' is missing"),
        ("name\na\n", "line 1: column 'port' is missing"),
        ("name,port,size\na,1,2\n", "line 1: there is no column 'size'"),
        ("name,port,name\na,1,b\n", "line 1: column 'name' is there twice"),
        ("name;port\na;1\n", "parted by ';' and not by ','"),
        ("name\tport\na\t1\n", "parted by '\\t'"),
        ("a,4059\nb,4059\n", "column 2 has a name that is not known"),
        ("port,00112233445566778899aabbccddeeff\n", "column 2 has a name that is not known"),
    ],
)
def test_a_wrong_first_line_says_what_is_wrong_and_what_belongs_there(content: str, said: str, tmp_path: Path) -> None:
    if content == "a,4059\nb,4059\n":
        content = "name,4059\nb,4059\n"
    error = refused(file(tmp_path, content))
    assert error.code == "bad-header"
    assert said in error.detail
    assert "0011223344" not in error.sentence()
    assert content == "" or "needed are name, port" in error.detail


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x89PNG\r\n\x1a\n\xff\xfe\x00", "is not UTF-8 text"),
        ("name,port\na,1\n".encode("utf-16"), "is not UTF-8 text"),
        (b"name,port\na,\x001\n", "line 2"),
        (b'name,port\na,"1\n', "line 2"),
        (b'name,port\na,"1"x\n', "line 2"),
        (b"name,port\n" + b"x" * 200_000 + b",1\n", "field larger than field limit"),
        (b"name,port\n" + b"x," * 3_000_000, "line 2"),
    ],
    ids=["binary", "utf-16", "nul", "open quote", "after quote", "huge cell", "huge line"],
)
def test_a_file_that_is_no_csv_is_refused_with_the_place(content: bytes, said: str, tmp_path: Path) -> None:
    error = refused(file(tmp_path, content))
    assert error.code in ("unreadable-file", "bad-rows")
    assert said in error.detail


@pytest.mark.parametrize("content", ["size\na\n", "name,port\na,x\n", "name,port\na,1\n" + "b,2\n" * MAX_SHOWN])
def test_a_refused_file_is_closed_at_once_and_not_when_the_error_is_forgotten(content: str, tmp_path: Path) -> None:
    path = file(tmp_path, content)
    error = refused(path)
    held = [one.readlink() for one in Path("/proc/self/fd").iterdir() if one.exists()]
    assert path not in held, error
    assert held


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.csv", tmp_path, tmp_path / "nothing.parquet"):
        assert refused(path).code == "unreadable-file"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"name,port\na,1\n", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_file_that_is_no_parquet_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(content)
    assert refused(path).code == "unreadable-file"


def test_more_rows_than_anybody_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowfile, "MAX_ROWS", 2)
    assert len(read(file(tmp_path, "name,port\na,1\nb,2\n")).good) == 2
    assert refused(file(tmp_path, "name,port\na,1\nb,2\nc,3\n")).code == "unreadable-file"


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_a_file_holds_it_is_rows_or_an_input_error(content: bytes, tmp_path: Path) -> None:
    for head in (b"", b"name,port,secret\n"):
        path = file(tmp_path, head + content)
        rows, code = Rows(good=[], bad=[]), ""
        try:
            rows = read(path, skip_bad=True)
        except InputError as error:
            code = error.code
        assert code in ("", "bad-header", "unreadable-file")
        assert all(set(row) == {column.name for column in COLUMNS} for _, row in rows.good)


# Bad rows aside.


def test_skipped_rows_come_back_as_they_were_and_can_be_corrected_and_read(tmp_path: Path) -> None:
    path = file(tmp_path, "name,port,note\na,1,x\nb,none,y\na,2,z\nc\n")
    rows = read(path, skip_bad=True)
    assert names(rows) == ["a"]
    aside = tmp_path / "refused.csv"
    rowfile.write_refused(aside, rows.bad, beside=path)
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    written = list(csv.reader(aside.read_text().splitlines()))
    assert written == [
        ["line", "column", "reason", "name", "port", "note"],
        ["3", "port", "'none' is no whole number from 1 to 65535", "b", "none", "y"],
        ["4", "name", "the same as in line 2", "a", "2", "z"],
        ["5", "port", "1 cells under 3 columns", "c", "", ""],
    ]
    corrected = aside.read_text().replace("b,none", "b,3").replace(",c,,", ",c,4,")
    assert names(read(file(tmp_path, corrected))) == ["b", "a", "c"]


def test_a_refused_row_keeps_the_cells_that_no_column_is_for_and_its_header_is_whole(tmp_path: Path) -> None:
    path = file(tmp_path, "name,port,note\nb\nc,1,x,left,over\n")
    rows = read(path, skip_bad=True)
    aside = tmp_path / "refused.csv"
    rowfile.write_refused(aside, rows.bad, beside=path)
    written = list(csv.reader(aside.read_text().splitlines()))
    assert written[0] == ["line", "column", "reason", "name", "port", "note", "surplus"]
    assert [row[3:] for row in written[1:]] == [["b", "", "", ""], ["c", "1", "x", "left,over"]]
    corrected = aside.read_text().replace(",b,,", ",b,2,")
    assert names(read(file(tmp_path, corrected))) == ["b", "c"]


def test_the_file_that_is_read_is_never_written_over(tmp_path: Path) -> None:
    path = file(tmp_path, "name,port\nb,none\n")
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    rows = read(path, skip_bad=True)
    for aside in (path, link):
        with pytest.raises(InputError) as caught:
            rowfile.write_refused(aside, rows.bad, beside=path)
        assert caught.value.code == "unwritable-file"
    assert path.read_text() == "name,port\nb,none\n"


def test_rows_and_bad_rows_do_not_show_their_cells(tmp_path: Path) -> None:
    rows = read(file(tmp_path, "name,port,secret\na,1,0b0c\nb,x,0b0c\n"), skip_bad=True)
    assert rows.good[0][1]["secret"] == b"\x0b\x0c"
    assert rows.bad[0].cells["secret"] == "0b0c"
    assert "0b0c" not in repr(rows)
    assert "\\x0b" not in repr(rows)
