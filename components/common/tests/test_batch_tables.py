"""Tables read chunk by chunk and written whole: the same rows from every format, and what is wrong with a line."""

import gzip
import io
import json
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.base.errors import Refusal
from components.common.batch import format_named, open_table, percentage
from components.common.batch.counts import Tally, most_rows
from components.common.inference import ABSENT, Answered
from components.common.tables.chunk import asked
from components.common.tables.writer import Writer

KINDS = {"size": "numerical", "kind": "categorical"}


def table(rows=25):
    size = np.round(np.linspace(-1, 3, rows), 3)
    size[3] = np.nan
    kind = np.array(["a", "b,c", 'say "hi"', "line\nend", None], dtype=object)[np.arange(rows) % 5]
    return pd.DataFrame({"id": [f"{at:04d}" for at in range(rows)], "size": size, "kind": kind})


def write(frame, path):
    name = path.name.removesuffix(".gz")
    if name.endswith((".csv", ".tsv")):
        frame.to_csv(path, index=False, sep="\t" if name.endswith(".tsv") else ",")
    elif name.endswith(".jsonl"):
        frame.to_json(path, orient="records", lines=True)
    elif name.endswith(".parquet"):
        frame.to_parquet(path)
    elif name.endswith(".feather"):
        frame.to_feather(path)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, pa.Schema.from_pandas(frame)) as stream:
            stream.write_table(pa.Table.from_pandas(frame))
    return path


def read(path, rows=10):
    """All chunks as (numbers, columns as a predictor takes them, faulty lines)."""
    with open_table(path, rows=rows) as opened:
        return [(chunk.numbers.tolist(), asked(chunk, KINDS, {}), chunk.faulty) for chunk in opened.chunks]


NAMES = ["t.csv", "t.csv.gz", "t.tsv", "t.jsonl", "t.jsonl.gz", "t.parquet", "t.feather", "t.stream.arrow"]


@pytest.mark.parametrize("name", NAMES)
def test_every_format_gives_the_same_rows_in_chunks(tmp_path, name):
    frame = table()
    chunks = read(write(frame, tmp_path / name))
    assert [number for numbers, *_ in chunks for number in numbers] == list(range(1, 26))
    assert max(len(numbers) for numbers, *_ in chunks) <= 10
    assert not any(faulty for *_, faulty in chunks)
    sizes = [v for _, columns, *_ in chunks for v in columns["size"]]
    np.testing.assert_array_equal(np.array([np.nan if v is None else v for v in sizes], float), frame["size"])
    kinds = [v for _, columns, *_ in chunks for v in columns["kind"]]
    assert kinds == [None if v is None or v != v else v for v in frame["kind"]]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet", "t.csv.gz"])
def test_standard_input_is_known_by_its_first_bytes(tmp_path, monkeypatch, name):
    data = write(table(), tmp_path / name).read_bytes()
    pipe = io.BufferedReader(io.BytesIO(data))
    pipe.raw.seekable = lambda: False
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": pipe}))
    assert sum(len(numbers) for numbers, *_ in read("-")) == 25


def test_texts_of_a_csv_are_numbers_where_all_are_and_else_go_to_the_model_as_they_are(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("size,kind\n1.5,NA\n2e3,x\n")
    (_, columns, _), *_ = read(path)
    assert columns["size"].tolist() == [1.5, 2000] and columns["kind"] == [None, "x"]
    path.write_text("size,kind\n1.5,NA\nlarge,007\n")
    (_, columns, _), *_ = read(path)
    assert columns == {"size": ["1.5", "large"], "kind": [None, "007"]}


def test_lines_that_are_no_rows_are_told_with_their_numbers_and_the_others_keep_theirs(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{at},x" if at % 7 else f"{at},x,y" for at in range(1, 31)]
    path.write_text("size,kind\n" + "\n".join(rows))
    chunks = read(path, 4)
    assert [n for numbers, *_ in chunks for n in numbers] == [at for at in range(1, 31) if at % 7]
    assert [v for _, columns, *_ in chunks for v in columns["size"]] == [at for at in range(1, 31) if at % 7]
    faulty = [one for *_, found in chunks for one in found]
    assert [(one.number, one.value) for one in faulty] == [(at, f"{at},x,y") for at in (7, 14, 21, 28)]
    assert "3" in faulty[0].rule and "2 fields" in faulty[0].rule


def test_json_lines_that_are_no_objects_are_told_and_absent_keys_are_not_missing_values(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"size": 1}\n\nnope\n[1]\n{"size": null, "kind": "a", "new": {"x": 1}}\n{"kind": 3}\n')
    ((numbers, columns, faulty),) = read(path)
    assert numbers == [1, 4, 5]
    assert columns == {"size": [1, None, ABSENT], "kind": [ABSENT, "a", 3]}
    assert [(one.number, one.value) for one in faulty] == [(2, "nope"), (3, "[1]")]


def test_a_parquet_group_of_rows_is_not_read_as_a_whole(tmp_path):
    rows = 2_000_000
    noise = pa.array(np.random.default_rng(0).random(rows))
    whole = pa.table({"size": noise, "kind": pa.nulls(rows, pa.string())})
    pq.write_table(whole, tmp_path / "t.parquet", row_group_size=rows)
    before, most = pa.total_allocated_bytes(), 0
    with open_table(tmp_path / "t.parquet") as opened:
        for chunk in opened.chunks:
            most = max(most, pa.total_allocated_bytes() - before)
            assert chunk.rows <= 10_000
    assert most < noise.nbytes / 2


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("t.csv", b"", "empty"),
        ("t.csv", b"size,size\n1,2\n", "more than once"),
        ("t.csv", b"size,kind\n1,\xff\n", "not UTF-8"),
        ("t.csv", b'size,kind\n1,"x\n2,y\n', "never closed"),
        ("t.csv.gz", gzip.compress(b"size,kind\n" + bytes(range(256)) * 9)[:80], "cut short"),
        ("t.jsonl", b'[{"size": 1}', "cut short"),
        ("t.parquet", b"PAR1 and nothing more", "not a whole parquet"),
        ("t.parquet", b"no parquet", "first bytes do not"),
        ("none.csv", None, "does not exist"),
    ],
    ids=[
        "empty",
        "doubled",
        "latin1",
        "quote",
        "cut-gzip",
        "array",
        "cut-parquet",
        "wrong-name",
        "absent",
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, data, said):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(Refusal, match=said):
        read(tmp_path / name)


def columns_of(frame):
    return {name: pa.Array.from_pandas(frame[name]) for name in frame}


@pytest.mark.parametrize("name", ["o.csv", "o.csv.gz", "o.jsonl", "o.jsonl.gz", "o.parquet"])
def test_what_is_written_is_read_again_and_appears_when_it_is_whole(tmp_path, name):
    frame, path = table(), tmp_path / "new" / name
    writer = Writer(path)
    for part in (frame[:10], frame[10:]):
        writer.write(columns_of(part))
    assert not path.exists()
    writer.commit()
    writer.discard()
    assert [file.name for file in path.parent.iterdir()] == [name]
    if ".csv" in name:
        found = pd.read_csv(path, dtype={"id": str})
    elif ".jsonl" in name:
        found = pd.read_json(path, lines=True, dtype={"id": str})
    else:
        found = pd.read_parquet(path)
    found, frame = (one.astype(object).where(one.notna(), None) for one in (found, frame))
    pd.testing.assert_frame_equal(found, frame)


def test_what_is_given_up_leaves_nothing_and_the_old_file_as_it_was(tmp_path):
    path = tmp_path / "o.csv"
    path.write_text("old")
    writer = Writer(path)
    writer.write(columns_of(table()))
    writer.discard()
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_column_that_changes_its_type_is_refused_in_parquet(tmp_path):
    writer = Writer(tmp_path / "o.parquet")
    writer.write({"id": pa.array([1, 2])})
    with pytest.raises(Refusal, match="column id"):
        writer.write({"id": pa.array(["x"])})
    writer.discard()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["o.txt.zip", "o", "o.arrow", "o.parquet.gz", "o.tsv"])
def test_a_format_that_is_not_written_is_refused(name):
    with pytest.raises(Refusal, match="ending"):
        format_named(name)


def test_json_has_no_nan(tmp_path):
    writer = Writer(tmp_path / "o.jsonl")
    writer.write({"a": pa.array([float("nan"), 1.0]), "b": pa.array([pd.Timestamp("2026-01-02"), None])})
    writer.commit()
    lines = (tmp_path / "o.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"a": None, "b": "2026-01-02T00:00:00"}, {"a": 1.0, "b": None}]


def test_a_tally_keeps_an_even_sample_of_numbers():
    tally, values = Tally(), np.arange(100_000, dtype=float)
    for part in np.array_split(values, 37):
        tally.answers(Answered(np.arange(len(part)), part))
    assert tally.answered == 100_000 and (tally.low, tally.high, tally.total) == (0, 99_999, values.sum())
    assert 10_000 <= len(tally.values) <= 20_000
    assert set(np.diff(tally.values)) == {tally.values[1] - tally.values[0]}, "evenly spread over the rows"


@pytest.mark.parametrize(
    ("text", "found"), [("0", ("rows", 0)), ("12", ("rows", 12)), ("2.5%", ("share", 0.025))], ids=str
)
def test_limits_of_refused_rows_are_numbers_or_shares(text, found):
    assert most_rows(text, "--max-rejects") == found


@pytest.mark.parametrize("text", ["-1", "1.5", "101%", "many", "nan", "%"])
def test_other_limits_are_refused(text):
    with pytest.raises(Refusal, match="max-rejects"):
        most_rows(text, "--max-rejects")


def test_a_share_is_never_nothing_of_something_nor_all_of_less():
    assert percentage(1, 10_000_000) == "0.01 %"
    assert percentage(9_999_999, 10_000_000) != "100 %"
    assert (percentage(0, 5), percentage(1, 2), percentage(5, 5)) == ("0 %", "50 %", "100 %")
