import datetime
import gzip
import json
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.base.errors import Refusal
from components.common.tables.parquet import read_table
from components.download.download import download_file

TABLE = pa.table(
    {
        "n": pa.array([1, None, 3]),
        "x": [0.5, 1.5, None],
        "t": ["a", None, "é"],
        "b": [True, False, None],
        "d": pa.array([datetime.datetime(2026, 1, 31, 12), None, None], pa.timestamp("us")),
    }
)


def write_parquet(table, path, **options):
    pq.write_table(table, path, **options)


def write_arrow_file(table, path):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def write_arrow_stream(table, path):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


@pytest.fixture
def read(tmp_path):
    """Downloads a file and reads the result; nothing else may be left beside it."""

    def convert(path, **section):
        try:
            done = download_file({"source": str(path), **section}, "", tmp_path / "out" / "table")
            return done, pq.ParquetFile(tmp_path / "out" / "table").read()
        finally:
            assert [left.name for left in (tmp_path / "out").glob("*")] in ([], ["table"])

    return convert


@pytest.mark.parametrize(
    ("write", "name", "form"),
    [
        pytest.param(write_parquet, "t.parquet", "parquet", id="parquet"),
        pytest.param(write_parquet, "t", "parquet", id="parquet-without-a-name"),
        pytest.param(write_arrow_file, "t.arrow", "arrow", id="arrow-file"),
        pytest.param(write_arrow_stream, "t.arrows", "arrow", id="arrow-stream"),
        pytest.param(write_arrow_file, "t.csv", "arrow", id="arrow-called-csv"),
    ],
)
def test_columnar_files_keep_their_values(read, tmp_path, write, name, form):
    write(TABLE, tmp_path / name)
    done, table = read(tmp_path / name)
    assert table.equals(TABLE) and (done.format, done.rows, done.columns) == (form, 3, 5)


def test_types_of_other_programs_become_plain(read, tmp_path):
    frame = pd.DataFrame({"c": pd.Categorical(["u", "v", "u"]), "x": [1.0, 2.0, 3.0]}, index=[5, 6, 7])
    odd = pa.Table.from_pandas(frame).append_column("m", pa.array([Decimal("1.25"), None, Decimal("3.5")]))
    odd = odd.append_column("l", pa.array(["p", "q", None], pa.large_string())).append_column("z", pa.nulls(3))
    pq.write_table(odd, tmp_path / "t.parquet")
    _, table = read(tmp_path / "t.parquet")
    assert [str(field.type) for field in table.schema] == ["string", "double", "decimal128(3, 2)", "string", "string"]
    assert table.column_names == ["c", "x", "m", "l", "z"], "the unnamed index is gone"
    assert table["m"].to_pylist() == odd["m"].to_pylist() and table.schema.metadata is None


def test_a_named_index_is_a_column(read, tmp_path):
    pd.DataFrame({"x": [1, 2]}, index=pd.Index([7, 8], name="id")).to_parquet(tmp_path / "t.parquet")
    read(tmp_path / "t.parquet")
    assert sorted(read_table(tmp_path / "out" / "table").columns) == ["id", "x"]


def test_many_row_groups_are_read_in_order(read, tmp_path):
    table = pa.table({"n": range(300_000)})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=1000)
    assert read(tmp_path / "t.parquet")[1].equals(table)


LINES = [{"n": 1, "x": 1, "t": "2019-01-01", "b": True}, {"t": None, "x": 2.5, "n": 2}, {"n": 3, "more": {"k": [1]}}]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson", "t.json", "t"])
def test_json_lines_are_read(read, tmp_path, pack, name):
    (tmp_path / name).write_bytes(pack("\n".join(map(json.dumps, LINES)).encode() + b"\n\n"))
    done, table = read(tmp_path / name)
    assert done.format == "jsonl"
    assert table.to_pylist() == [
        {"n": "1", "x": "1", "t": "2019-01-01", "b": "true"},
        {"n": "2", "x": "2.5", "t": None, "b": None},
        {"n": "3", "x": None, "t": None, "b": None},
    ], "the column of records is left out"


def test_declared_numbers_of_json_are_numbers_and_all_else_keeps_its_characters(read, tmp_path):
    lines = [
        {"n": 1, "x": 1, "t": "1.0", "i": 12345678901234567890, "b": True},
        {"n": None, "x": "2.5", "t": "007", "i": 1.0, "b": "True"},
        {"n": 3, "x": True, "t": None, "i": None, "b": None},
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    _, table = read(tmp_path / "t.jsonl", kinds={"n": "numerical", "x": "numerical", "t": "categorical"})
    assert table.to_pydict() == {
        "n": [1, None, 3],
        "x": [1.0, 2.5, 1.0],
        "t": ["1.0", "007", None],
        "i": ["12345678901234567890", "1", None],
        "b": ["true", "True", None],
    }
    assert [str(table.schema.field(name).type) for name in "nx"] == ["int64", "double"]


def test_fields_of_late_json_lines_count(read, tmp_path, monkeypatch):
    monkeypatch.setattr("components.download.convert.GROUP_BYTES", 10_000)
    lines = [{"n": number, "when": "2019-01-01", "list": 1} for number in range(15_000)]
    lines += [{"n": 0.5, "when": "soon", "late": "x", "list": [1]}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    _, table = read(tmp_path / "t.jsonl", kinds={"n": "numerical"})
    assert table.column_names == ["n", "when", "late"], "what is a list anywhere is left out everywhere"
    assert table.num_rows == 15_001 and table["n"].to_pylist()[-2:] == [14_999.0, 0.5]
    assert table["when"].to_pylist()[-1] == "soon" and table["late"].null_count == 15_000


PARQUET = b"PAR1" + bytes(40) + b"PAR1"


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        pytest.param(b"", "t.parquet", ["empty"], id="empty"),
        pytest.param(PARQUET, "t.parquet", ["not a whole parquet"], id="corrupt-parquet"),
        pytest.param(b"a,b\n1,2\n", "t.parquet", ["name says parquet"], id="csv-called-parquet"),
        pytest.param(b"ARROW1\0\0" + bytes(40), "t.arrow", ["not a whole Arrow"], id="corrupt-arrow"),
        pytest.param(b"\xff\xff\xff\xff" + b"\x10\0\0\0abc", "t", ["not a whole Arrow"], id="corrupt-arrow-stream"),
        pytest.param(b"PK\x03\x04zip", "t.xlsx", ["zip", "damaged"], id="corrupt-excel"),
        pytest.param(b"%PDF-1.7", "t.csv", ["not known", "a PDF", "known are CSV"], id="pdf"),
        pytest.param(b"\x00\x01\x02\x03", "t.bin", ["not known"], id="binary"),
        pytest.param(b"<!DOCTYPE html><html>", "t.csv", ["web page"], id="web-page"),
        pytest.param(b'[{"a": 1}, {"a": 2', "t.json", ["record 2", "cut short"], id="json-array-cut"),
        pytest.param(b'[{"a": 1}, 7]', "t.json", ["record 2", "no object"], id="json-array-number"),
        pytest.param(b'[{"a": 1}] {"a": 2}', "t.json", ["more behind"], id="json-array-and-more"),
        pytest.param(b'{"a": 1}\n{"a": 2', "t.jsonl", ["record 2"], id="json-cut"),
        pytest.param(b'{"a": 1}\n7\n', "t.jsonl", ["record 2", "no object"], id="json-number"),
        pytest.param(b'{"a": 1, "a": 2}\n', "t.jsonl", ["record 1", "specified twice"], id="json-doubled-field"),
        pytest.param(b'{"a": "\xff"}\n', "t.jsonl", ["UTF-8", "byte 7"], id="json-not-utf-8"),
        pytest.param(b"\n\n", "t.jsonl", ["empty"], id="json-empty-lines"),
        pytest.param(b"{}\n", "t.jsonl", ["no rows"], id="json-empty-objects"),
        pytest.param(
            gzip.compress(b'{"a": 1}\n' * 9000)[:-20], "t.jsonl.gz", ["gzip", "cut short"], id="json-gzip-cut"
        ),
    ],
)
def test_what_is_no_table_is_refused(read, tmp_path, content, name, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refusal) as caught:
        read(tmp_path / name)
    for word in [name, *words]:
        assert word in str(caught.value)


def test_a_json_fault_in_a_late_chunk_is_found_by_its_record(read, tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n' * 15_000 + '{"a": 1,}\n' + '{"a": 1}\n' * 5000)
    with pytest.raises(Refusal, match="record 15001"):
        read(tmp_path / "t.jsonl")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(b'{"a": 1, "b": 2}\n{"a": [1], "b": 2}\n', "t.jsonl", id="json"),
        pytest.param(b'[{"a": {"x": 1}, "b": 2}]', "t.json", id="json-array"),
    ],
)
def test_a_declared_column_of_lists_or_records_is_refused_by_name(read, tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refusal, match=r"column a.*lists or records"):
        read(tmp_path / name, kinds={"a": "numerical"})
    assert read(tmp_path / name)[1].column_names == ["b"]


@pytest.mark.parametrize("write", [write_parquet, write_arrow_file, write_arrow_stream])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_columnar_file_that_was_cut_short_is_refused(read, tmp_path, write, share):
    write(pa.table({"n": range(50_000), "t": [str(n) for n in range(50_000)]}), tmp_path / "t")
    content = (tmp_path / "t").read_bytes()
    (tmp_path / "t").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(Refusal, match=r"t: .*(parquet|Arrow)"):
        read(tmp_path / "t")


def test_a_parquet_with_damage_inside_is_refused(read, tmp_path):
    write_parquet(pa.table({"n": range(50_000)}), tmp_path / "t", use_dictionary=False, write_page_checksum=True)
    content = bytearray((tmp_path / "t").read_bytes())
    content[2000:2500] = bytes(500)
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(Refusal, match="not a whole parquet"):
        read(tmp_path / "t")


@pytest.mark.parametrize("write", [write_parquet, write_arrow_file, write_arrow_stream])
@pytest.mark.parametrize(
    ("table", "words"),
    [
        pytest.param(pa.table([[1], [2]], names=["a", "a"]), ["more than once", "'a'"], id="doubled-column"),
        pytest.param(pa.table({"a": pa.array([], "int64")}), ["no rows"], id="no-rows"),
        pytest.param(
            pa.table({"a": pa.array([b"ok", b"gr\xfcn"]).view(pa.string())}), ["column a", "UTF-8"], id="not-utf-8"
        ),
    ],
)
def test_a_columnar_table_that_is_none_is_refused(read, tmp_path, write, table, words):
    write(table, tmp_path / "t")
    with pytest.raises(Refusal) as caught:
        read(tmp_path / "t")
    for word in words:
        assert word in str(caught.value)


def test_a_declared_format_goes_before_the_name(read, tmp_path):
    (tmp_path / "t.json").write_text("a\n1\n")
    assert read(tmp_path / "t.json", format="csv")[1].to_pydict() == {"a": ["1"]}
    with pytest.raises(Refusal, match="not a whole parquet"):
        read(tmp_path / "t.json", format="parquet")
