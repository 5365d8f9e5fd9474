"""CSV and TSV, against the csv module of the standard library and against rows damaged by hand."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftransfer.data.delimited import Csv, Tsv
from tftransfer.data.source import BadRow, Row, read_source
from tftransfer.errors import DataError

FIELD = st.text(st.sampled_from('ab ,"\t\n\r\u2028é中😀'), max_size=8)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), min_size=1, max_size=8)
)


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def good_and_bad(source: Csv | Tsv) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    rows = list(source.rows())
    good = [(row.line, row.values["text"]) for row in rows if isinstance(row, Row)]
    return good, [(row.line, row.reason) for row in rows if isinstance(row, BadRow)]


@settings(max_examples=300, deadline=None)
@given(table=TABLES, end=st.sampled_from(["\n", "\r\n"]), everything=st.booleans(), closed=st.booleans())
def test_csv_reads_what_the_standard_library_wrote(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], end: str, everything: bool, closed: bool
) -> None:
    if not everything:  # the writer leaves a carriage return unquoted when lines end in a line feed
        table = [[value.replace("\r", "") for value in values] for values in table]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL if everything else csv.QUOTE_MINIMAL)
    writer.writerow(["text", "b", "c", "d"][: len(table[0])])
    starts = []
    for values in table:
        starts.append(stream.getvalue().count("\n") + 1)
        writer.writerow(values)
    content = stream.getvalue() if closed else stream.getvalue().removesuffix(end)
    folder = tmp_path_factory.mktemp("csv")
    path, zipped = write(folder / "a.csv", content), write(folder / "a.csv.gz", gzip.compress(content.encode()))
    truth = list(csv.reader(io.StringIO(content, newline="")))[1:]
    assert truth == table
    good, bad = good_and_bad(Csv(path, label=None))
    assert good == [(start, values[0]) for start, values in zip(starts, truth, strict=True) if values[0].strip()]
    assert bad == [(start, "empty text") for start, values in zip(starts, truth, strict=True) if not values[0].strip()]
    assert good_and_bad(Csv(zipped, label=None)) == (good, bad)


@settings(max_examples=300, deadline=None)
@given(body=st.text(st.sampled_from('ab,"\n'), min_size=1, max_size=30))
def test_csv_never_loses_or_repeats_a_line(tmp_path_factory: pytest.TempPathFactory, body: str) -> None:
    content = "text,label\n" + body
    records = list(Csv(write(tmp_path_factory.mktemp("csv") / "a.csv", content)).records())
    assert "".join(record.raw for record in records) == content
    for record in records:
        if record.problem is None:
            assert [record.fields] == [fields or [""] for fields in csv.reader(io.StringIO(record.raw), strict=True)]


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), max_size=20), min_size=1))
def test_tsv_is_a_split_at_tabs(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> None:
    content = "text\tlabel\n" + "".join(f"{row}\n" for row in rows)
    path = write(tmp_path_factory.mktemp("tsv") / "table.tsv", content)
    found = {row.line: row for row in Tsv(path).rows()}
    for number, text in enumerate(rows, 2):
        plain = text.removesuffix("\r")
        fields = plain.split("\t")
        if len(fields) == 2 and fields[0].strip() and fields[1].strip():
            assert found[number] == Row(number, {"text": fields[0], "label": fields[1].strip()})
        else:
            assert isinstance(found.get(number), BadRow if plain else type(None))


def test_text_is_kept_and_labels_are_stripped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", b'\xef\xbb\xbflabel\ttext\r\n pos \t "quoted  \r\n\r\nneg\tx\x0by\xc2\x85z')
    examples, bad = read_source(Tsv(path))
    assert examples.columns == {"text": [' "quoted  ', "x\x0by\x85z"], "label": ["pos", "neg"]}
    assert examples.lines.tolist() == [2, 4]
    assert bad == []


def test_text_pairs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'id,a,b,y\n1,"x, y",z,1\n2,x, ,0\n')
    examples, bad = read_source(Csv(path, text="a", text_pair="b", label="y"), on_bad_rows="skip")
    assert examples.columns == {"text": ["x, y"], "text_pair": ["z"], "label": ["1"]}
    assert bad == [BadRow(3, "empty text_pair", "2,x, ,0\n")]


def test_line_numbers_with_values_over_several_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,label\r\n"one\r\ntwo\r\nthree",x\r\nfour,y\r\n"a\r\nb",c,d\r\nfive,z\r\n')
    good, bad = good_and_bad(Csv(path))
    assert good == [(2, "one\r\ntwo\r\nthree"), (5, "four"), (8, "five")]
    assert bad == [(6, "expected 2 columns, found 3 (the row runs to line 7: is a quote missing?)")]


NEVER = "a quote opens on this line and is never closed"


@pytest.mark.parametrize(
    ("body", "texts", "problems"),
    [
        ('one,x\n"two,x\nthree,x\nfour,x\n', ["one", "three", "four"], {3: NEVER}),
        ('one,x\n"two,x\nthree,x\nfour,x', ["one", "three", "four"], {3: NEVER}),
        ('"one\n1","x\ntwo,x\n', ["two"], {3: NEVER}),
        ('"one,x\n"two","x"\n', ["two"], {2: "a quote opens on this line and is not closed properly (line 3: "}),
        ('"one"1,x\ntwo,x\n', ["two"], {2: "malformed quoting: ',' expected after '\"'"}),
        ("one\rmore,x\ntwo,x\n", ["two"], {2: "malformed quoting: a carriage return outside quotes"}),
        ('5" disk,x\n', ['5" disk'], {}),
        ('"one,x\n"two,x\n"three,x\n', [], {2: "a quote opens", 3: "a quote opens", 4: NEVER}),
    ],
)
def test_quotes_that_do_not_close(tmp_path: Path, body: str, texts: list[str], problems: dict[int, str]) -> None:
    good, bad = good_and_bad(Csv(write(tmp_path / "a.csv", "text,label\n" + body)))
    assert [text for _, text in good] == texts
    assert [line for line, _ in bad] == list(problems)
    for (_, reason), start in zip(bad, problems.values(), strict=True):
        assert reason.startswith(start)


def test_a_value_longer_than_the_csv_modules_own_limit(tmp_path: Path) -> None:
    text = "word " * 100_000
    good, bad = good_and_bad(Csv(write(tmp_path / "a.csv", f'text,label\n"{text}",x\n')))
    assert good == [(2, text)]
    assert bad == []


@pytest.mark.parametrize(("kind", "comma"), [(Csv, b","), (Tsv, b"\t")])
def test_bad_rows_are_named_and_the_others_read(tmp_path: Path, kind: type[Csv | Tsv], comma: bytes) -> None:
    rows = [b"text|label", b"good|x", b"caf\xe9|x", b"a\0b|x", b" |x", b"no label|", b"a|b|c", b"short", b"last|y"]
    path = write(tmp_path / "a.data", b"\n".join(rows).replace(b"|", comma))
    good, bad = good_and_bad(kind(path))
    assert good == [(2, "good"), (9, "last")]
    assert bad == [
        (3, "not UTF-8 (byte 0xe9 at byte 4 of the line)"),
        (4, "NUL character in text"),
        (5, "empty text"),
        (6, "empty label"),
        (7, "expected 2 columns, found 3"),
        (8, "expected 2 columns, found 1"),
    ]


def test_invalid_utf8_inside_quotes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b'text,label\n"one\ncaf\xe9",x\ntwo,x\n')
    rows = list(Csv(path).rows())
    reason = "line 3 is not UTF-8 (byte 0xe9 at byte 4 of the line)"
    assert rows[0] == BadRow(2, reason, '"one\ncaf\\xe9",x\n')
    assert rows[1] == Row(4, {"text": "two", "label": "x"})


def test_a_missing_column_lists_what_there_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "review,stars\ngood,5\n")
    with pytest.raises(DataError) as caught:
        read_source(Csv(path, text="reviews", label="stars"))
    message = str(caught.value)
    assert message.startswith(f"{path}:1: ")
    assert "no column 'reviews' for text. Did you mean 'review'? Set the option 'text'" in message
    assert "Columns found: 'review', 'stars'." in message
    with pytest.raises(DataError, match=r"'label' for label. Set the option 'label' .* or to null for none"):
        read_source(Csv(path, text="review"))


def test_a_header_with_the_wrong_separator_or_a_name_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text\tlabel\ngood\tx\n")
    with pytest.raises(DataError, match=r"Columns found: 'text\\tlabel'. Expected .* commas between"):
        read_source(Csv(path))
    path = write(tmp_path / "b.csv", "text,label,text\na,b,c\n")
    with pytest.raises(DataError, match=r"b.csv:1: the header names 'text' twice"):
        read_source(Csv(path))
    path = write(tmp_path / "c.csv", b"text,l\xe9bel\na,b\n")
    with pytest.raises(DataError, match=r"c.csv:1: the header cannot be read: not UTF-8"):
        read_source(Csv(path))


def test_one_column_takes_a_blank_line_for_an_empty_text(tmp_path: Path) -> None:
    for kind in (Csv, Tsv):
        good, bad = good_and_bad(kind(write(tmp_path / "a.data", "text\none\n\ntwo\n"), label=None))
        assert good == [(2, "one"), (4, "two")]
        assert bad == [(3, "empty text")]
