import csv
import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.base.errors import Refusal
from components.common.tables.missing import MISSING
from components.common.tables.parquet import read_table
from components.download import convert
from components.download.download import download_file

ROOT = Path(__file__).resolve().parents[3]
REAL = Path(os.environ.get("TABPIPE_SHARED_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture
def read(tmp_path):
    """Writes a CSV and reads what download makes of it; nothing else may be left."""

    def convert(text, name="t.csv", **section):
        path = tmp_path / "source" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        try:
            download_file({"source": str(path), **section}, "", tmp_path / "out" / "table")
            return pq.ParquetFile(tmp_path / "out" / "table").read()
        finally:
            rest = [left.name for left in (tmp_path / "out").glob("*")]
            assert rest in ([], ["table"]), "no half-written file"

    return convert


def values(table):
    return {name: (str(table.schema.field(name).type), table[name].to_pylist()) for name in table.column_names}


@pytest.mark.parametrize(
    ("texts", "type_", "expected"),
    [
        pytest.param(["1", "2"], "int64", [1, 2], id="integers"),
        pytest.param(["1", "2.5"], "double", [1.0, 2.5], id="integers-then-a-float"),
        pytest.param(["1", "x"], "string", ["1", "x"], id="integers-then-text"),
        pytest.param(["1", ""], "int64", [1, None], id="integers-then-empty"),
        pytest.param(["", "1"], "int64", [None, 1], id="empty-then-integers"),
        pytest.param(["", ""], "int64", [None, None], id="nothing"),
        pytest.param(["true", "FALSE", ""], "int64", [1, 0, None], id="booleans"),
        pytest.param(["True", "3"], "int64", [1, 3], id="booleans-then-a-number"),
        pytest.param(["007", "0.10"], "double", [7.0, 0.1], id="leading-zeros"),
        pytest.param(["0x1F", "12"], "string", ["0x1F", "12"], id="hexadecimal"),
        pytest.param([" 1", "+2 "], "int64", [1, 2], id="blanks-and-plus-signs"),
        pytest.param(["1e3", "-.5", "inf"], "double", [1000.0, -0.5, float("inf")], id="forms-of-floats"),
        pytest.param(["9223372036854775807"], "int64", [2**63 - 1], id="largest-integer"),
        pytest.param(["1", "9223372036854775808"], "double", [1.0, 2.0**63], id="beyond-64-bits"),
        pytest.param(["1,5", "2,5"], "string", ["1,5", "2,5"], id="decimal-commas-undeclared"),
        pytest.param(["1_000"], "string", ["1_000"], id="underscores"),
        pytest.param(["2019-01-01"], "string", ["2019-01-01"], id="dates"),
    ],
)
def test_a_declared_number_has_the_type_that_all_its_values_need_and_else_every_text_stays(
    read, texts, type_, expected
):
    text = "a;b\n" + "".join(f"{text};z\n" for text in texts)
    assert values(read(text, delimiter=";", kinds={"a": "numerical"}))["a"] == (type_, expected)
    for kinds in ({}, {"a": "categorical"}, {"a": "identifier"}):
        table = read(text, delimiter=";", kinds=kinds)
        assert values(table)["a"] == ("string", [text or None for text in texts])


@pytest.mark.parametrize(
    ("texts", "section", "expected"),
    [
        pytest.param(["1,5", "1.234,5"], {"decimal": ",", "thousands": "."}, [1.5, 1234.5], id="decimal-comma"),
        pytest.param(["$1,234.00", "-$5"], {"columns": {"a": {"thousands": ",", "currency": "$"}}}, [1234, -5], id="$"),
        pytest.param(["12.5%", "3"], {"columns": {"a": {"percent": True}}}, [0.125, 3.0], id="percent"),
        pytest.param(["?", "2"], {"missing": ["?"]}, [None, 2.0], id="question-mark"),
        pytest.param(["-999", "-999.0", "2.5"], {"missing": [-999]}, [None, None, 2.5], id="number-for-missing"),
        pytest.param(["-999", "2"], {"columns": {"b": {"missing": [-999]}}}, [-999, 2], id="of-another-column"),
    ],
)
def test_numbers_are_read_as_their_column_is_written(read, texts, section, expected):
    text = "a;b\n" + "".join(f"{text};z\n" for text in texts)
    assert read(text, delimiter=";", kinds={"a": "numerical"}, **section)["a"].to_pylist() == expected


def test_a_decimal_comma_within_quotes_of_a_comma_separated_file_is_read(read):
    table = read('a,b\n"1,5","x, y"\n"-2,25",z\n', decimal=",", kinds={"a": "numerical", "b": "text"})
    assert table.to_pydict() == {"a": [1.5, -2.25], "b": ["x, y", "z"]}


def test_every_spelling_of_missing_that_pandas_knows_is_missing(read):
    table = read("a,b\n" + "".join(f"{spelling},x\n" for spelling in MISSING) + "1,None of these\n")
    assert table["a"].null_count == len(MISSING) and table["b"].null_count == 0
    assert set(MISSING) == set(pd._libs.parsers.STR_NA_VALUES)


@pytest.mark.parametrize("late", ["2.5", "x", ""])
def test_a_type_that_only_a_late_row_needs_is_right_for_all(read, monkeypatch, tmp_path, late):
    monkeypatch.setattr(convert, "GROUP_BYTES", 100_000)
    text = "a,b,c\n" + "".join(f"{number},{number % 7},\n" for number in range(60_000)) + f"{late},1,true\n"
    table = read(text, kinds=dict.fromkeys("abc", "numerical"))
    assert pq.ParquetFile(tmp_path / "out" / "table").num_row_groups > 3
    expected = pd.read_csv(tmp_path / "source" / "t.csv", dtype={"a": "str"} if late == "x" else None)
    assert str(table.schema.field("c").type) == "int64" and table["c"].to_pylist()[60_000:] == [1]
    pd.testing.assert_series_equal(table["a"].to_pandas(), expected["a"], check_names=False)
    assert table["b"].to_pylist() == expected["b"].tolist()


@pytest.mark.parametrize(
    ("text", "section"),
    [
        pytest.param(b'a,b\r\n1,"x\r\ny"\r\n2,"say ""hi"", you"\r\n', {}, id="crlf-and-quotes"),
        pytest.param(
            b'\xef\xbb\xbfa,b\n1,"x\r\ny"\n2,"say ""hi"", you"', {}, id="byte-order-mark-and-no-last-line-end"
        ),
        pytest.param(b'\n\n"a",b\n\n1,"x\r\ny"\n\n2,"say ""hi"", you"\n\n', {}, id="empty-lines"),
        pytest.param(b'a\tb\n1\t"x\r\ny"\n2\t"say ""hi"", you"\n', {"delimiter": "\\t"}, id="tabs"),
        pytest.param('a,b\n1,"x\r\ny"\n2,"say ""hi"", you"\n'.encode("utf-16"), {"encoding": "utf-16"}, id="utf-16"),
        pytest.param(gzip.compress(b'a,b\n1,"x\r\ny"\n2,"say ""hi"", you"\n'), {}, id="gzip-without-saying-so"),
        pytest.param(gzip.compress(b'a,b\n1,"x\r\ny"\n') + gzip.compress(b'2,"say ""hi"", you"\n'), {}, id="two-gzips"),
        pytest.param(b'a,b\r1,"x\r\ny"\r2,"say ""hi"", you"\r', {}, id="old-mac-line-ends"),
    ],
)
def test_one_table_in_many_forms(read, text, section):
    assert read(text, **section).to_pydict() == {"a": ["1", "2"], "b": ["x\r\ny", 'say "hi", you']}


def test_a_declared_encoding_is_decoded(read):
    table = read("name,größe\nMüller,1\n".encode("latin-1") * 1, encoding="latin-1")
    assert table.to_pydict() == {"name": ["Müller"], "größe": ["1"]}


def test_columns_without_a_name_are_called_as_pandas_calls_them(read, tmp_path):
    assert read(",b,\n1,2,3\n").column_names == list(pd.read_csv(tmp_path / "source" / "t.csv").columns)


def test_a_header_may_hold_line_ends(read):
    assert read('"a\nz",b\n1,2\n').to_pydict() == {"a\nz": ["1"], "b": ["2"]}


def test_a_table_of_one_column_is_a_table(read):
    assert read("a: of all\n1\n2\n").to_pydict() == {"a: of all": ["1", "2"]}


@pytest.mark.parametrize(
    ("text", "section", "words"),
    [
        pytest.param("", {}, ["the file is empty"], id="empty"),
        pytest.param("\n\n", {}, ["nothing but empty lines"], id="empty-lines-only"),
        pytest.param("a,b\n", {}, ["no rows"], id="header-only"),
        pytest.param("a,b", {}, ["no rows"], id="header-without-line-end"),
        pytest.param(gzip.compress(b""), {}, ["empty"], id="empty-gzip"),
        pytest.param("a;b;c\n1;2;3\n", {}, ["only one column", "semicolon", "download.delimiter=';'"], id="semicolons"),
        pytest.param("a\tb\n1\t2\n", {}, ["only one column", "download.delimiter='\\t'"], id="tabs"),
        pytest.param("a,b\n1,2\n", {"delimiter": ";"}, ["only one column", "','"], id="commas-after-all"),
        pytest.param("a,b\n1,2\n", {"delimiter": ";;"}, ["not a delimiter", "one ASCII character"], id="no-delimiter"),
        pytest.param("a,b,a,c,b\n1,2,3,4,5\n", {}, ["more than once", "'a', 'b'"], id="doubled-columns"),
        pytest.param(b"a,b\nx,y\n1,gr\xfcn\n", {}, ["UTF-8", "byte 12", "line 3", "latin-1"], id="not-utf-8"),
        pytest.param("a,b\n1,2\n".encode("utf-16-le"), {}, ["null character"], id="utf-16-without-a-mark"),
        pytest.param("# made by hand\na,b\n1,2\n", {}, ["starts with #", "# made by hand"], id="remarks"),
        pytest.param(b"a,b\n1,\x81\n", {"encoding": "cp1252"}, ["CP1252", "byte 6"], id="not-the-declared-encoding"),
        pytest.param("a\n1\n", {"encoding": "utf-88"}, ["encoding is not known", "utf-88"], id="unknown-encoding"),
        pytest.param("a\n1\n", {"encoding": "base64"}, ["encoding is not known"], id="codec-that-is-no-encoding"),
        pytest.param("a,b\n1,2\n\n3,4,5\n", {}, ["line 4 has 3 fields", "header has 2", "3,4,5"], id="too-many-fields"),
        pytest.param('a,b\n1,"2\n2"\n3\n', {}, ["line 4 has 1 field"], id="too-few-fields-after-a-quoted-line-end"),
        pytest.param('a,b\n1,2\n3,"4\n5,6\n7,8\n', {}, ["double quote", "line 3", "never closed"], id="open-quote"),
        pytest.param('a,b\n1,2\n3,"4', {}, ["double quote", "line 3"], id="open-quote-at-the-end"),
        pytest.param(
            gzip.compress(b"a,b\n" + b"1,2\n" * 9000)[:-9], {}, ["gzip", "cut short"], id="gzip-cut-at-the-end"
        ),
        pytest.param(gzip.compress(os.urandom(5000))[:200], {"format": "csv"}, ["t.csv"], id="gzip-cut-early"),
        pytest.param(gzip.compress(b"a,b\n1,2\n") + b"xx", {}, ["gzip"], id="gzip-with-a-tail"),
        pytest.param("a,b\n1," + "x" * 6_000_000 + "\n", {}, ["line 2", "too long"], id="endless-record"),
    ],
)
def test_what_is_no_table_is_refused(read, text, section, words):
    with pytest.raises(Refusal) as caught:
        read(text, **section)
    for word in ["t.csv", *words]:
        assert word in str(caught.value)


def test_a_fault_deep_in_a_file_is_found_by_its_line(read):
    with pytest.raises(Refusal, match="line 300002 has 3 fields"):
        read("a,b\n" + "1,2\n" * 300_000 + "3,4,5\n" + "1,2\n" * 300_000)


def test_an_open_quote_early_in_a_long_file_is_found_by_its_line(read):
    with pytest.raises(Refusal, match="line 3"):
        read('a,b\n1,2\n3,"4\n' + "5,6\n" * 1_000_000)


def test_a_byte_that_is_not_utf_8_is_found_deep_in_a_file(read):
    with pytest.raises(Refusal, match=r"byte 4000006 \(line 1000002\)"):
        read(b"a,b\n" + b"1,2\n" * 1_000_000 + b"1,\xff\n")


def test_a_character_across_two_chunks_is_read(read):
    filler = "x" * ((1 << 20) - 5)
    assert read(f"a\n{filler}\nyé\n日本\n")["a"].to_pylist()[1:] == ["yé", "日本"]


def test_the_real_table_equals_what_pandas_reads(tmp_path):
    source = REAL / "nyc_airbnb_sample1.csv"
    if not source.is_file():
        pytest.skip("the real table nyc_airbnb_sample1.csv is not on this machine")
    expected = pd.read_csv(source)
    kinds = {name: "numerical" for name in expected if expected[name].dtype.kind in "if"}
    done = download_file({"source": str(source), "kinds": kinds}, "", tmp_path / "t")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t"), expected, check_exact=True)
    assert (done.rows, done.columns, done.bytes, done.format) == (20_000, 16, source.stat().st_size, "csv")


def test_random_tables_equal_what_pandas_reads(read, tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(20):
        frame = pd.DataFrame(
            {
                "integers": rng.integers(-(10**9), 10**9, 50),
                "floats": rng.normal(size=50) * 10.0 ** rng.integers(-20, 20, 50),
                "gaps": np.where(rng.random(50) < 0.3, np.nan, rng.integers(0, 9, 50)),
                "text": ["".join(rng.choice(list('ab ",\n\r;é\t'), 6)) + "x" for _ in range(50)],
                "truth": rng.random(50) < 0.5,
            }
        )
        text = frame.to_csv(index=False, quoting=csv.QUOTE_ALL)
        read(text, kinds=dict.fromkeys(("integers", "floats", "gaps"), "numerical"))
        expected = pd.read_csv(tmp_path / "source" / "t.csv", dtype={"truth": str})
        pd.testing.assert_frame_equal(read_table(tmp_path / "out" / "table"), expected, check_exact=True)


def test_the_same_bytes_give_the_same_file(read, tmp_path):
    written = []
    for _ in range(2):
        read("a,b\n" + "".join(f"{n},{n / 3}\n" for n in range(200_000)))
        written.append((tmp_path / "out" / "table").read_bytes())
    assert written[0] == written[1]


@pytest.mark.run
def test_a_large_table_takes_little_memory(tmp_path):
    """150 MB of CSV, more than the bound allows in memory at once."""
    line = b"17,0.123456789,some words that stand in a text column,Manhattan,2019-05-26,%d\n"
    block = b"".join(line % number for number in range(20_000))
    with (tmp_path / "big.csv").open("wb") as file:
        file.write(b"a,b,c,d,e,f\n")
        for _ in range(150_000_000 // len(block)):
            file.write(block)
    code = f"""
import resource, sys
import pyarrow.compute, pyarrow.csv, pyarrow.parquet
from components.download.download import download_file
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
download_file({{"source": {str(tmp_path / "big.csv")!r}}}, "", {str(tmp_path / "table")!r})
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert float(done.stdout) < 250, f"{done.stdout} MiB {done.stderr}"
    assert pa.parquet.read_metadata(tmp_path / "table").num_rows > 1_500_000
