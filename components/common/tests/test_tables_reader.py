"""The one reader of tables: the same table from every format, packing and door, and what is wrong with a file."""

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import zipfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.base.errors import Refusal
from components.common.config.reading import Reading
from components.common.inference.coerce import ABSENT
from components.common.inference.values import is_missing, text_of
from components.common.tables.reader import open_table
from components.common.tests.workbooks import DATE, MOMENT, write_workbook

CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).resolve().parents[3]
TABLE = pd.DataFrame(
    {
        "x": [1.5, None, -0.25, 3.0] * 5,
        "kind": ["a", "b,c", 'say "hi"', "line\nend", None] * 4,
        "n": range(20),
        "id": [f"{at:03d}" for at in range(20)],
    }
)


def rows_of(source, reading=None, **options):
    """All values as texts, missing ones None, and the faulty lines."""
    columns, faulty, numbers = {}, [], []
    with open_table(source, reading, **options) as table:
        for chunk in table.chunks:
            for name in table.names:
                values = chunk.columns[name]
                values = values if isinstance(values, list) else values.to_pylist()
                texts = [None if v is ABSENT or is_missing(v) else text_of(v) for v in values]
                columns.setdefault(name, []).extend(texts)
            faulty += chunk.faulty
            numbers += chunk.numbers.tolist()
    assert numbers == sorted(numbers) and len(set(numbers)) == len(numbers)
    return columns, faulty, numbers


def expected(frame=TABLE):
    return {name: [None if is_missing(v) else text_of(v) for v in frame[name].tolist()] for name in frame}


def arrow_file(path):
    table = pa.Table.from_pandas(TABLE, preserve_index=False)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def arrow_stream(path):
    table = pa.Table.from_pandas(TABLE, preserve_index=False)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def workbook(path):
    values = [[None if is_missing(v) else v for v in row] for row in TABLE.astype(object).to_numpy().tolist()]
    write_workbook(path, {"Sheet": [list(TABLE), *values]})


WRITE = {
    "csv": lambda path: TABLE.to_csv(path, index=False, compression=None),
    "tsv": lambda path: TABLE.to_csv(path, index=False, sep="\t", compression=None),
    "jsonl": lambda path: TABLE.to_json(path, orient="records", lines=True),
    "json": lambda path: TABLE.to_json(path, orient="records", indent=1),
    "parquet": lambda path: TABLE.to_parquet(path),
    "feather": lambda path: TABLE.to_feather(path),
    "arrow": arrow_file,
    "arrows": arrow_stream,
    "xlsx": workbook,
}


def zipped(data, name="any/name.bin"):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return held.getvalue()


def zstd(data):
    held = pa.BufferOutputStream()
    with pa.CompressedOutputStream(held, "zstd") as out:
        out.write(data)
    return held.getvalue().to_pybytes()


PACK = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd, ".zip": zipped}


@pytest.fixture(params=list(WRITE))
def plain(request, tmp_path):
    path = tmp_path / f"plain.{request.param}"
    WRITE[request.param](path)
    return request.param, path.read_bytes()


@pytest.mark.parametrize("packing", PACK, ids=lambda packing: packing or "plain")
def test_every_format_in_every_packing_gives_the_same_table(tmp_path, plain, packing):
    form, data = plain
    data = zipped(data, f"t.{form}") if packing == ".zip" else PACK[packing](data)
    path = tmp_path / f"t.{form}{packing}"
    path.write_bytes(data)
    for source, options in (
        (path, {}),
        (path, {"strict": True}),
        (path, {"rows": 3}),
        (io.BytesIO(data), {"name": path.name}),
    ):
        columns, faulty, _ = rows_of(source, **options)
        assert columns == expected() and not faulty


@pytest.mark.parametrize("packing", PACK, ids=lambda packing: packing or "plain")
def test_standard_input_is_known_by_its_first_bytes(monkeypatch, plain, packing):
    form, data = plain
    if form == "tsv":
        pytest.skip("nothing tells a tab but the name; a header of one column is told apart elsewhere")
    pipe = io.BufferedReader(io.BytesIO(PACK[packing](data)))
    pipe.raw.seekable = lambda: False
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": pipe}))
    assert rows_of("-")[0] == expected()


BASE = pd.read_csv(CASES / "base.csv", dtype=str)


@pytest.mark.parametrize(
    "name", ["book.xlsx", "t.feather", "array.json", "t.csv.bz2", "t.csv.zst", "t.zip", "utf16.csv"]
)
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
def test_the_same_table_in_the_forms_that_went_wrong_is_read(name, strict):
    columns, faulty, _ = rows_of(CASES / name, strict=strict)
    assert columns == expected(BASE) and not faulty


def test_a_file_is_read_in_its_declared_encoding_and_delimiter():
    columns, *_ = rows_of(CASES / "latin.csv", Reading(delimiter=";", encoding="cp1252"))
    assert list(columns) == ["a", "c", "y"] and set(columns["c"]) == {"Köln", "Münster"}
    assert list(rows_of(CASES / "latin1.csv", Reading(encoding="latin-1"))[0]) == ["Ärea", "g", "z", "y"]
    with pytest.raises(Refusal, match=r"not UTF-8 at byte \d+ \(line 2\)[\s\S]*--encoding"):
        rows_of(CASES / "latin.csv")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("declared", [None, "utf-8", "cp1252"])
def test_a_byte_order_mark_goes_before_what_is_declared(tmp_path, encoding, declared):
    for name, text in (("t.csv", "größe,b\n1,é\n"), ("t.jsonl", '{"größe": 1, "b": "é"}\n')):
        (tmp_path / name).write_bytes(text.encode(encoding))
        assert rows_of(tmp_path / name, Reading(encoding=declared))[0] == {"größe": ["1"], "b": ["é"]}


def test_a_lenient_reader_takes_the_delimiter_that_the_header_shows():
    columns, *_ = rows_of(CASES / "euro.csv")
    assert list(columns) == ["x", "g", "z", "y"] and columns["x"][0] == "51,26"
    assert rows_of(CASES / "base.csv", Reading(delimiter=";"))[0] == expected(BASE)
    with pytest.raises(Refusal, match=r"download\.delimiter=';'"):
        rows_of(CASES / "euro.csv", strict=True)


def test_a_record_longer_than_a_block_is_faulty_and_the_rest_is_read():
    columns, faulty, numbers = rows_of(CASES / "hugecell.csv.gz")
    assert columns == {"x": ["44"], "g": ["blue"], "note": ["ok"]} and numbers == [2]
    assert faulty[0].number == 1 and "1 MB" in faulty[0].rule and len(faulty[0].value) <= 1000
    with pytest.raises(Refusal, match="line 2 is too long"):
        rows_of(CASES / "hugecell.csv.gz", strict=True)


@pytest.mark.parametrize("quoted", [True, False], ids=["quoted", "plain"])
@pytest.mark.parametrize("size", [1_000_000, 1_048_570, 1_048_580, 3_000_001])
def test_records_behind_a_long_one_keep_their_numbers_and_quotes(tmp_path, quoted, size):
    long = '"' + 'x"",\n' * (size // 5) + '"' if quoted else 'x",' + "y" * size
    text = f'a,b\n1,"p\n,q"\n{long}{"" if quoted else ",z"},2\n3,"say ""hi"""\n4\n5,6\n'
    (tmp_path / "t.csv").write_text(text)
    columns, faulty, numbers = rows_of(tmp_path / "t.csv")
    kept = [value for value in columns["a"] if len(value) < 10]
    assert kept == ["1", "3", "5"] and columns["b"][-2:] == ['say "hi"', "6"] and numbers[-2:] == [3, 5]
    assert faulty[-1].number == 4 and (size < 3_000_000 or faulty[0].number == 2)


def test_random_records_are_cut_where_the_csv_module_cuts_them(tmp_path, monkeypatch):
    import csv

    monkeypatch.setattr("components.common.tables.csv.BLOCK", 64)
    monkeypatch.setattr("components.common.tables.csv_blocks.BLOCK", 64)
    rng = np.random.default_rng(0)
    for _ in range(300):
        fields = ["".join(rng.choice(list('ab",\n;'), rng.integers(0, 9))) for _ in range(60)]
        held = io.StringIO()
        writer = csv.writer(held, lineterminator=str(rng.choice(["\n", "\r\n"])))
        writer.writerows([["x", "y"], *zip(fields[::2], fields[1::2], strict=True)])
        path = tmp_path / "t.csv"
        path.write_text(held.getvalue() + '5" pipe,stray "quotes" within\n', newline="")
        columns, faulty, _ = rows_of(path)
        assert not faulty
        found = [value or "" for value in columns["x"]]
        assert found == [*(text_of(value) for value in fields[::2]), '5" pipe']


def test_part_files_are_one_table():
    parts = sorted((CASES / "spark.parquet").glob("part-*"))
    columns, _, numbers = rows_of(parts, rows=7)
    assert columns == expected(pd.concat([pd.read_parquet(part) for part in parts]))
    assert numbers == list(range(1, len(columns["x"]) + 1))


def test_parts_may_have_their_columns_in_any_order_and_wider_types(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,x\n2\n")
    (tmp_path / "2.csv").write_text("b,a\ny,3\n")
    columns, faulty, numbers = rows_of([tmp_path / "1.csv", tmp_path / "2.csv"])
    assert columns == {"a": ["1", "3"], "b": ["x", "y"]} and numbers == [1, 3] and faulty[0].number == 2
    pq.write_table(pa.table({"a": pa.array([1], "int32"), "b": pa.nulls(1)}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"b": ["u"], "a": pa.array([2**40])}), tmp_path / "2.parquet")
    with open_table([tmp_path / "1.parquet", tmp_path / "2.parquet"]) as table:
        assert table.whole == 2
        found = pa.Table.from_batches([pa.record_batch(dict(chunk.columns)) for chunk in table.chunks])
    assert found.to_pydict() == {"a": [1, 2**40], "b": [None, "u"]}


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        pytest.param({"1.csv": b"a,b\n1,2\n", "2.csv": b"a,c\n1,2\n"}, ["1.csv", "2.csv", "'b'"], id="columns"),
        pytest.param({"1.csv": b"a\n1\n", "2.jsonl": b'{"a": 1}'}, ["1.csv", "2.jsonl", "formats"], id="formats"),
        pytest.param({"1.csv": b"a\n1\n", "2.csv": b"a\n\xff\n"}, ["2.csv", "UTF-8"], id="not-utf-8"),
        pytest.param({"1.csv": b"a\n1\n", "2.csv.gz": gzip.compress(b"a\n1\n" * 99)[:-6]}, ["2.csv.gz"], id="cut"),
        pytest.param({"1.csv": b"a\n1\n", "2.csv": b""}, ["2.csv", "empty"], id="empty"),
        pytest.param({"1.parquet": None, "2.parquet": b"PAR1 cut"}, ["2.parquet", "not a whole parquet"], id="parquet"),
        pytest.param({}, ["no part files"], id="none"),
    ],
)
def test_parts_that_are_no_table_are_refused_by_name(tmp_path, parts, words):
    for name, data in parts.items():
        if data is None:
            pq.write_table(pa.table({"a": [1]}), tmp_path / name)
        else:
            (tmp_path / name).write_bytes(data)
    with pytest.raises(Refusal) as caught:
        rows_of([tmp_path / name for name in parts])
    for word in words:
        assert word in str(caught.value)


def test_parts_whose_types_differ_are_refused(tmp_path):
    pq.write_table(pa.table({"k": [1], "a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"k": [1], "a": ["x"]}), tmp_path / "2.parquet")
    with pytest.raises(Refusal, match=r"1.parquet and .*2.parquet, column a[\s\S]*int64 and string"):
        rows_of([tmp_path / "1.parquet", tmp_path / "2.parquet"])


def test_a_workbook_has_dates_booleans_formulas_and_a_second_header_as_a_row(tmp_path):
    rows = [
        ["when", "moment", "yes", "sum", "n", None, 2024],
        ["(date)", "(time)", None, "EUR", None, None, None],
        [(45322, DATE), (45322.5, MOMENT), True, ("A1+B1", 3.5), 7, "007", "NA"],
        [None] * 7,
        [None, None, False, ("1/0", 1e-7), 12345678901, " x ", 1],
    ]
    write_workbook(tmp_path / "t.xlsx", {"Sheet1": rows})
    assert rows_of(tmp_path / "t.xlsx")[0] == {
        "when": ["(date)", "2024-01-31", None],
        "moment": ["(time)", "2024-01-31 12:00:00", None],
        "yes": [None, "true", "false"],
        "sum": ["EUR", "3.5", "1e-07"],
        "n": [None, "7", "12345678901"],
        "Unnamed: 5": [None, "007", " x "],
        "2024": [None, None, "1"],
    }


def test_a_workbook_of_several_sheets_needs_the_name_of_one(tmp_path):
    path = write_workbook(tmp_path / "t.xlsx", {"North": [["a"], [1]], "South": [["b"], [2]], "Empty": []})
    assert rows_of(path, Reading(sheet="South"))[0] == {"b": ["2"]}
    for sheet, words in ((None, "North, South, Empty"), ("south", "did you mean 'South'"), ("Empty", "sheet is empty")):
        with pytest.raises(Refusal, match=words):
            rows_of(path, Reading(sheet=sheet))


@pytest.mark.parametrize("name", ["list.parquet", "struct.parquet"])
def test_nested_columns_are_left_out_in_training_and_refused_where_they_are_declared(name):
    nested = name[0]
    for strict in (True, False):
        with open_table(CASES / name, strict=strict, declared=["x"]) as table:
            assert list(table.left_out) == ([nested] if strict else []) and (nested in table.names) != strict
        with pytest.raises(Refusal, match=rf"column {nested}.*lists or records"):
            rows_of(CASES / name, strict=strict, declared=[nested])
    assert rows_of(CASES / name, strict=True)[0] == expected(BASE)


def test_nested_json_is_left_out_in_training_and_a_value_of_its_row_elsewhere():
    with open_table(CASES / "nested.jsonl", strict=True) as table:
        assert [list(chunk.columns) for chunk in table.chunks] == [["y"]] and set(table.left_out) == {"a", "tags"}
    with open_table(CASES / "nested.jsonl") as table:
        assert next(table.chunks).columns["a"][0] == {"x": 51.26, "g": "red"}
    values = rows_of(CASES / "mixtarget.jsonl", strict=True)[0]["y"]
    assert values[:3] == ["0", "a", "2"]


def test_types_of_parquet_stay_as_they_are():
    with open_table(CASES / "decimal-ids.parquet") as table:
        assert str(next(table.chunks).columns["order_no"].type) == "decimal128(38, 0)"
    with open_table(CASES / "types.parquet") as table:
        types = {name: str(column.type) for name, column in next(table.chunks).columns.items()}
    assert types["g"] == "string" and types["ts"] == "timestamp[ns, tz=Europe/Berlin]" and types["i8"] == "int8"
    assert types["dec"].startswith("decimal128") and types["td"] == "duration[ns]"


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        pytest.param((CASES / "comment.csv").read_bytes(), "t.csv", ["starts with # (1 line", "exported"], id="remark"),
        pytest.param(b"# one\n# two\na\n1\n", "t.csv", ["(2 lines"], id="remarks-above-one-column"),
        pytest.param(b"", "t.csv.gz", ["empty"], id="nothing"),
        pytest.param(b'a,"b\n1,2\n', "t.csv", ["double quote is opened at line 1"], id="open-quote-in-the-header"),
        pytest.param(gzip.compress(b"a\n1\n" * 999)[:-9], "t.csv.gz", ["gzip file is cut short"], id="cut-gz"),
        pytest.param(bz2.compress(b"a\n1\n" * 999)[:-9], "t.csv.bz2", ["bz2 file is cut short"], id="cut-bz2"),
        pytest.param(lzma.compress(b"a\n1\n" * 999)[:-9], "t.csv.xz", ["xz file is cut short"], id="cut-xz"),
        pytest.param(zstd(b"a\n1\n" * 999)[:-3], "t.csv.zst", ["zstd file is cut short"], id="cut-zst"),
        pytest.param(zipped(b"a\n1\n" * 999)[:-9], "t.zip", ["zip file is damaged"], id="cut-zip"),
        pytest.param(b"PK\x03\x04" + bytes(60), "t.xlsx", ["zip file is damaged"], id="no-workbook"),
        pytest.param(b"\xd0\xcf\x11\xe0" + bytes(600), "t.xls", ["not a workbook"], id="no-old-workbook"),
        pytest.param(b"a,b\n1,2\n", "t.xlsx", ["name says excel"], id="csv-called-excel"),
        pytest.param(b'[{"a": 1}, {"a": }]', "t.json", ["record 2 of the JSON array"], id="broken-array"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, data, name, words):
    (tmp_path / name).write_bytes(data)
    for strict in (True, False):
        with pytest.raises(Refusal) as caught:
            rows_of(tmp_path / name, strict=strict)
        for word in [name, *words]:
            assert word in str(caught.value)


def test_a_header_may_start_with_a_number_sign(tmp_path):
    (tmp_path / "t.csv").write_text("#,Name\n1,Bulbasaur\n")
    assert rows_of(tmp_path / "t.csv")[0] == {"#": ["1"], "Name": ["Bulbasaur"]}


def test_a_zip_archive_holds_one_file_whatever_its_name(tmp_path):
    path = tmp_path / "t.zip"
    path.write_bytes(zipped(b"a,b\n1,2\n", "../../escaped.csv"))
    assert rows_of(path)[0] == {"a": ["1"], "b": ["2"]}
    assert list(tmp_path.iterdir()) == [path] and not (tmp_path.parent.parent / "escaped.csv").exists()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("second.csv", "a,b\n3,4\n")
    with pytest.raises(Refusal, match=r"holds 2 files[\s\S]*escaped.csv, second.csv"):
        rows_of(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/", "")
    with pytest.raises(Refusal, match="holds 0 files"):
        rows_of(path)


def test_json_keys_that_stand_twice_are_refused_in_training_alone(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1, "a": 2}\n')
    assert rows_of(tmp_path / "t.jsonl")[0] == {"a": ["2"]}
    with pytest.raises(Refusal, match="'a' is specified twice"):
        rows_of(tmp_path / "t.jsonl", strict=True)


@pytest.mark.parametrize("size", [100, 1 << 20, 5 << 20])
def test_an_array_of_records_is_read_across_the_pieces_it_comes_in(tmp_path, size):
    records = [{"a": at, "t": "x" * (size // 10)} for at in range(12)]
    (tmp_path / "t.json").write_text(json.dumps(records, indent=2))
    assert rows_of(tmp_path / "t.json")[0] == {"a": [str(at) for at in range(12)], "t": ["x" * (size // 10)] * 12}


_PEAK = """
import resource, sys
import pyarrow.compute, pyarrow.csv, pyarrow.parquet
from components.common.base.errors import Refusal
from components.common.tables.reader import open_table
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, rows, faulty, said = peak(), 0, 0, ""
try:
    with open_table(sys.argv[1], strict=sys.argv[2] == "strict") as table:
        for chunk in table.chunks:
            assert chunk.rows <= 10_000 and len(chunk.faulty) <= 2**19
            rows, faulty = rows + chunk.rows, faulty + len(chunk.faulty)
except Refusal as refusal:
    said = refusal.problem
print(f"{peak() - before:.0f}|{rows}|{faulty}|{said}")
"""


@pytest.mark.run
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    ("name", "make", "strict", "found"),
    [
        ("line.csv", (b"a,b\n", b"x" * 1000, 300_000), "strict", (0, 0, "the record at line 2 is too long")),
        ("line.csv", (b"a,b\n1,2\n", b"x" * 1000, 200_000), "lenient", (1, 1, "")),
        ("quote.csv", (b'a,b\n1,"', b"x\n" * 500, 100_000), "lenient", (0, 0, "a double quote is opened at line 2")),
        ("ragged.csv", (b"a,b\n", b"1\n" * 500, 3_000), "lenient", (0, 1_500_000, "")),
        ("line.jsonl", (b'{"a": "', b"x" * 1000, 300_000), "lenient", (0, 1, "")),
        ("array.json", (b'[{"a": "', b"x" * 1000, 300_000), "lenient", (0, 0, "record 1 of the JSON array")),
        ("bomb.csv.gz", (b"a,b\n", b"1,2\n" * 250, 20_000), "strict", (5_000_000, 0, "")),
        ("bomb.zip", (b"a,b\n", bytes(1000), 200_000), "strict", (0, 0, "the record at line 2 is too long")),
    ],
    ids=["line-strict", "line", "open-quote", "ragged", "json-line", "json-array", "gzip", "zip"],
)
def test_memory_is_bounded_whatever_a_file_holds(tmp_path, name, make, strict, found):
    head, block, times = make
    path = tmp_path / name
    with ExitStack() as stack:
        if name.endswith(".zip"):
            archive = stack.enter_context(zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED))
            file = stack.enter_context(archive.open("t.csv", "w"))
        else:
            file = stack.enter_context((gzip.open if name.endswith(".gz") else open)(path, "wb"))
        file.write(head)
        for _ in range(times // 1000):
            file.write(block * 1000)
    done = subprocess.run([sys.executable, "-c", _PEAK, str(path), strict], cwd=ROOT, capture_output=True, text=True)
    peak, rows, faulty, said = done.stdout.strip().split("|")
    assert float(peak) < 200, done.stdout
    assert (int(rows), int(faulty)) == found[:2] and said.startswith(found[2]), done.stdout


def test_what_unpacks_to_an_absurd_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("components.common.tables.unpack._MOST", 1 << 19)
    data = b"a,b\n" + b"1,2\n" * 1_000_000
    for name, packed in (
        ("t.csv.gz", gzip.compress(data)),
        ("t.csv.zst", zstd(data)),
        ("t.zip", zipped(data, "t.csv")),
    ):
        (tmp_path / name).write_bytes(packed)
        with pytest.raises(Refusal, match="more than 500 times its size"):
            rows_of(tmp_path / name, strict=True)
    write_workbook(tmp_path / "t.xlsx", {"S": [["a"]] + [["x" * 1000]] * 2000})
    with pytest.raises(Refusal, match="workbook is too large"):
        rows_of(tmp_path / "t.xlsx")
