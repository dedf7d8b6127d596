"""`tabpipe predict`: the champion answers tables, refused rows are told of, memory is bounded, MLflow says the same."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.base.errors import Refusal
from components.common.batch import Wanted, open_table, predict_table
from components.common.inference import load_predictor
from components.common.inference.intervals import Intervals
from tests import forked
from tests.conftest import ROOT, command_line

pytestmark = pytest.mark.run

SIZES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


@pytest.fixture(scope="module")
def home(finished, tmp_path_factory):
    """Outputs of one run of iris."""
    folder = tmp_path_factory.mktemp("iris")
    finished(folder)
    return folder


@pytest.fixture(scope="module")
def predictor(home):
    return load_predictor(home / "iris" / "latest" / "model")


@pytest.fixture
def command(home):
    """Runs `tabpipe predict` of the champion of iris, or what is named instead."""

    def run(*arguments, model="iris", stdin=None):
        done = forked.run(
            [sys.executable, "-m", "tabpipe", "predict", "--model", model, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "TABPIPE_HOME": str(home)},
            input=stdin,
            timeout=250,
        )
        return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)

    return run


def flowers(rows=60, seed=0):
    random = np.random.default_rng(seed)
    table = pd.DataFrame({name: random.uniform(0.2, 7, rows).round(1) for name in SIZES})
    table.insert(0, "id", [f"{at:05d}" for at in range(rows)])
    return table


def answer(predictor, path, out, rejects=None, rows=16, form=None, **wanted):
    with open_table(path, rows=rows) as table:
        return predict_table(predictor, table, out, Wanted(version="v0", **wanted), rejects=rejects, form=form)


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.parquet"])
@pytest.mark.parametrize("out", ["out.csv", "out.jsonl", "out.parquet"])
def test_rows_keep_their_order_and_ids_and_get_the_answers_of_the_model(tmp_path, predictor, name, out):
    frame = flowers()
    path = tmp_path / name
    if name.endswith("csv"):
        frame.to_csv(path, index=False)
    elif name.endswith("jsonl"):
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    answer(predictor, path, tmp_path / out, probabilities=True)
    if out.endswith("csv"):
        found = pd.read_csv(tmp_path / out, dtype={"id": str})
    elif out.endswith("jsonl"):
        found = pd.read_json(tmp_path / out, lines=True, dtype={"id": str})
    else:
        found = pd.read_parquet(tmp_path / out)
    each = [f"probability_{label}" for label in predictor.classes]
    assert list(found) == ["id", "prediction", "probability", *each, "model_version"]
    whole = predictor.answer({column: frame[column].tolist() for column in SIZES}, len(frame))
    assert found["id"].tolist() == frame["id"].tolist()
    assert found["prediction"].tolist() == whole.predicted.tolist()
    np.testing.assert_allclose(found[each], whole.probabilities, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found["probability"], whole.probabilities.max(axis=1), rtol=0, atol=1e-9)
    assert set(found["model_version"]) == {"v0"}


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_intervals_and_sets_are_columns_where_they_are_asked_for(tmp_path, predictor, monkeypatch, task, out):
    flowers(30).to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(Refusal, match="has no intervals"):
        answer(predictor, tmp_path / "in.csv", tmp_path / out, intervals=True)
    if task == "regression":
        noted = {"level": 0.9, "edges": [], "low": [-1.0], "high": [2.0]}
        monkeypatch.setattr(predictor, "classes", None)
        monkeypatch.setattr(predictor, "_labels", np.arange(3.0))
        names = ["id", "prediction", "prediction_low", "prediction_high", "model_version"]
    else:
        noted = {"level": 0.9, "least": {}, "others": 0.3}
        names = ["id", "prediction", "prediction_set", "probability", "model_version"]
    monkeypatch.setattr(predictor, "intervals", Intervals(noted, predictor.classes))
    answer(predictor, tmp_path / "in.csv", tmp_path / out, intervals=True)
    found = pd.read_csv(tmp_path / out) if out.endswith("csv") else pd.read_parquet(tmp_path / out)
    assert list(found) == names
    if task == "regression":
        assert (found["prediction_high"] - found["prediction_low"]).eq(3.0).all()
    else:
        sets = found["prediction_set"].map(json.loads)
        assert [one[0] for one in sets] == found["prediction"].tolist() and max(map(len, sets)) > 1


def test_refused_rows_go_to_their_own_file_with_why_and_the_others_stay_in_order(tmp_path, predictor):
    frame = flowers(40).astype({"sepal_width": object})
    frame.loc[[3, 17], "sepal_width"] = ["wide", "1e400"]
    frame["note"] = 'a "note", of two words'
    frame.to_csv(tmp_path / "in.csv", index=False)
    with open(tmp_path / "in.csv", "a") as file:
        file.write("00040,1.0,2.0\n")
    tally = answer(predictor, tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "bad.csv")
    assert (tally.rows, tally.answered, tally.refused) == (41, 38, 3)
    found, bad = pd.read_csv(tmp_path / "out.csv", dtype={"id": str}), pd.read_csv(tmp_path / "bad.csv", dtype=str)
    assert found["id"].tolist() == [name for name in frame["id"] if name not in ("00003", "00017")]
    assert found["note"].tolist() == [frame["note"][0]] * 38
    assert list(bad) == [*frame, "row", "column", "value", "rule"]
    assert bad["row"].tolist() == ["4", "18", "41"] and bad["id"][:2].tolist() == ["00003", "00017"]
    assert bad["column"][:2].tolist() == ["sepal_width"] * 2 and bad["value"][:2].tolist() == ["wide", "1e400"]
    assert bad["value"][2] == "00040,1.0,2.0" and "fields" in bad["rule"][2]
    flowers(5).to_csv(tmp_path / "in.csv", index=False)
    answer(predictor, tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "bad.csv")
    assert not (tmp_path / "bad.csv").exists(), "nothing was refused"


@pytest.mark.parametrize("source", ["parts", "parts/part-*.csv"], ids=["folder", "pattern"])
def test_part_files_are_answered_as_one_table(tmp_path, command, source):
    frame = flowers(30)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "_SUCCESS").touch()
    frame[20:].to_csv(tmp_path / "parts" / "part-1.csv", index=False)
    frame[:20].to_csv(tmp_path / "parts" / "part-0.csv", index=False)
    done = command(tmp_path / source, tmp_path / "out.csv")
    assert done.code == 0, done.err
    assert pd.read_csv(tmp_path / "out.csv", dtype={"id": str})["id"].tolist() == frame["id"].tolist()


@pytest.mark.parametrize(
    ("source", "out", "words"),
    [
        ("parts", "parts/out.csv", "would be a part file of IN"),
        ("parts/*.csv", "parts/part-2.csv", "would be a part file of IN"),
        ("parts/none-*.csv", "out.csv", "no file matches"),
    ],
    ids=["out-in-the-folder", "out-matches", "no-match"],
)
def test_part_files_that_cannot_be_read_or_would_grow_are_refused(tmp_path, command, source, out, words):
    (tmp_path / "parts").mkdir()
    flowers(3).to_csv(tmp_path / "parts" / "part-0.csv", index=False)
    done = command(tmp_path / source, tmp_path / out)
    assert done.code == 2 and words in done.err
    assert not (tmp_path / out).exists()


def test_json_lines_are_refused_and_kept_as_they_are(tmp_path, predictor):
    good = dict.fromkeys(SIZES, 1.5)
    lines = [{"id": 1, **good}, {"id": "1", **good}, {**good, "petal_width": [1]}, good, {"id": None, **good, "x": 5}]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (tmp_path / "in.jsonl").write_text(f"{text}no json\n")
    tally = answer(predictor, tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "bad.jsonl", rows=3)
    found, bad = (
        [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()] for name in ("out", "bad")
    )
    assert [line.get("id", "none") for line in found] == [1, "1", "none", None]
    assert [(line["row"], line["column"], line["value"]) for line in bad] == [
        (3, "petal_width", [1]),
        (6, "", "no json"),
    ]
    assert tally.dropped == {"x": 4}, "the chunk in which x comes up begins with row 4"


@pytest.mark.parametrize(
    ("keep", "names"),
    [("ids", ["id", "note"]), ("all", ["id", *SIZES, "note"]), ("none", []), (["note"], ["note"])],
    ids=["ids", "all", "none", "named"],
)
def test_what_goes_along(tmp_path, predictor, keep, names):
    flowers(5).assign(note="n").to_csv(tmp_path / "in.csv", index=False)
    answer(predictor, tmp_path / "in.csv", tmp_path / "out.csv", keep=keep)
    assert list(pd.read_csv(tmp_path / "out.csv")) == [*names, "prediction", "probability", "model_version"]


@pytest.mark.parametrize("name", ["in.csv", "in.parquet", "in.jsonl"])
def test_a_table_without_rows_gives_one_without_rows(tmp_path, predictor, name):
    empty, path = flowers(0), tmp_path / name
    empty.to_parquet(path) if name.endswith("parquet") else path.write_text(
        ",".join(empty) + "\n" if name.endswith("csv") else ""
    )
    tally = answer(predictor, path, tmp_path / "out.parquet")
    assert tally.rows == 0
    kept = [] if name.endswith("jsonl") else ["id"]
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert list(found) == [*kept, "prediction", "probability", "model_version"] and found.empty


def _two_bad(table):
    table = table.astype(object)
    table.loc[58:, "petal_width"] = "x"
    return table


@pytest.mark.parametrize(
    ("change", "wanted", "said"),
    [
        (lambda t: t.rename(columns={"petal_width": "petal_widht"}), {}, "'petal_width'.*did you mean 'petal_widht'"),
        (lambda t: t.assign(prediction=1), {}, "'prediction'.*--keep none"),
        (lambda t: t, {"keep": ["idd"]}, "'idd'.*did you mean 'id'"),
        (lambda t: t.assign(petal_width="x"), {}, "60 of 60 rows.*at least one row"),
        (_two_bad, {"max_rejects": "1"}, "2 of 60 rows.*at most 1 rows"),
        (_two_bad, {"max_rejects": "3%"}, "2 of 60 rows.*at most 3 %"),
    ],
    ids=["absent", "clash", "id", "all", "rows", "share"],
)
def test_what_is_not_accepted_leaves_the_old_output(tmp_path, predictor, change, wanted, said):
    change(flowers()).to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(Refusal) as caught:
        answer(predictor, tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "bad.csv", **wanted)
    assert pd.Series([str(caught.value).replace("\n", " ")]).str.contains(said).all(), str(caught.value)
    assert (tmp_path / "out.csv").read_text() == "old"
    refused = "rows" in said
    assert (tmp_path / "bad.csv").exists() == refused and len(list(tmp_path.iterdir())) == 2 + refused


def test_a_share_of_refused_rows_that_is_allowed_is_no_error(tmp_path, predictor):
    _two_bad(flowers()).to_csv(tmp_path / "in.csv", index=False)
    assert answer(predictor, tmp_path / "in.csv", tmp_path / "out.csv", max_rejects="4%").refused == 2


def test_the_command_says_how_many_of_how_many_and_why(tmp_path, command):
    frame = flowers(30).astype({"sepal_width": object})
    frame.loc[3, "sepal_width"] = "wide"
    frame.to_csv(tmp_path / "in.csv", index=False)
    done = command(tmp_path / "in.csv", tmp_path / "out.csv")
    assert done.code == 0 and "29 of 30 rows answered by iris v0" in done.out
    assert "1 of 30 rows (3.33 %) were refused" in done.err and "first row 4: 'wide'" in done.err
    assert len(pd.read_csv(tmp_path / "out.rejects.csv")) == 1
    done = command(tmp_path / "in.csv", tmp_path / "out.csv", "--json", "--max-rejects", "0")
    assert done.code == 1 and json.loads(done.out)["state"] == "failed"


def test_standard_input_to_standard_output(tmp_path, command):
    lines = flowers(7).to_json(orient="records", lines=True)
    done = command("-", "-", "--to", "jsonl", stdin=lines)
    assert done.code == 0 and [json.loads(line)["id"] for line in done.out.splitlines()] == flowers(7)["id"].tolist()
    assert "7 of 7 rows answered" in done.err


def test_every_way_to_name_a_model_finds_it(tmp_path, home, command):
    flowers(3).to_csv(tmp_path / "in.csv", index=False)
    folder = home / "iris" / "latest" / "model"
    for model in ("iris", "iris@champion", "iris@v0", "artifact://iris.model:champion", "artifact://iris.model:v0"):
        assert command(tmp_path / "in.csv", tmp_path / "out.csv", model=model).code == 0
        assert set(pd.read_csv(tmp_path / "out.csv")["model_version"]) == {"v0"}
    assert command(tmp_path / "in.csv", tmp_path / "out.csv", model=str(folder)).code == 0
    done = command(tmp_path / "in.csv", tmp_path / "out.csv", "--json", model="models:/iris@champion")
    assert done.code == 0 and json.loads(done.out)["model_version"] == "1"
    for model, said in (
        ("iriss", "did you mean 'iris'"),
        ("iris@best", "no alias 'best'"),
        ("iris@v9", "no version v9"),
        ("models:/iris@best", "MLflow has no such model"),
        (str(tmp_path), "no saved model"),
    ):
        done = command(tmp_path / "in.csv", tmp_path / "other.csv", model=model)
        assert done.code == 2 and said in done.err and not (tmp_path / "other.csv").exists()


def test_an_mlflow_that_is_away_is_told_in_few_words(tmp_path):
    flowers(3).to_csv(tmp_path / "in.csv", index=False)
    env = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "TABPIPE_HOME": str(tmp_path)}
    files = [str(tmp_path / name) for name in ("in.csv", "out.csv")]
    done = command_line("predict", "--model", "models:/iris@champion", *files, env=env, timeout=120)
    assert done.returncode == 2 and "MLflow does not answer: connection refused\n" in done.stderr
    assert "HTTPConnection" not in done.stderr and "--model artifact://iris.model:champion" in done.stderr


def test_a_table_is_not_written_over_itself(tmp_path, command):
    flowers(3).to_csv(tmp_path / "in.csv", index=False)
    done = command(tmp_path / "in.csv", tmp_path / "in.csv")
    assert done.code == 2 and "the same file" in done.err


_PEAK = """
import sys
from tabpipe.cli.main import main
code = main(sys.argv[1:])
print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1], file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_memory_does_not_grow_with_the_table(tmp_path, home, ending):
    def peak(rows):
        path = tmp_path / f"{rows}.{ending}"
        frame = flowers(rows)
        frame["note"] = [f"{at} " * 40 for at in range(rows)]
        frame.to_parquet(path, row_group_size=rows) if ending == "parquet" else frame.to_csv(path, index=False)
        command = [sys.executable, "-c", _PEAK, "predict", "--model", str(home / "iris/latest/model"), str(path)]
        done = subprocess.run(
            [*command, str(tmp_path / f"out.{ending}")], cwd=ROOT, capture_output=True, text=True, timeout=250
        )
        assert done.returncode == 0, done.stderr
        return int(done.stderr.split()[-1]) / 1024, frame.memory_usage(deep=True).sum() / 2**20

    (few, _), (many, held) = peak(40_000), peak(400_000)
    assert held > 100 and many - few < 40, f"{few:.0f} MiB, then {many:.0f} MiB, of a table of {held:.0f} MiB"


def test_mlflow_itself_says_the_same(tmp_path, home, predictor):
    frame = flowers()[SIZES]
    frame.to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "in.json").write_text(json.dumps({"dataframe_split": frame.to_dict(orient="split")}))
    ours = predictor.answer({name: frame[name].tolist() for name in SIZES}, len(frame)).predicted.tolist()
    for name in ("csv", "json"):
        command = ["-m", "mlflow", "models", "predict", "-m", str(home / "iris/latest/model"), "--env-manager", "local"]
        files = ["-i", str(tmp_path / f"in.{name}"), "-t", name, "-o", str(tmp_path / f"out.{name}")]
        done = forked.run([sys.executable, *command, *files], cwd=ROOT, timeout=250)
        assert done.returncode == 0, done.stderr
        assert json.loads((tmp_path / f"out.{name}").read_text())["predictions"] == ours


def test_a_parquet_of_pandas_with_its_index_and_odd_types_is_read(tmp_path, predictor):
    frame = flowers(9)
    table = pa.table(
        {
            **{name: pa.array(frame[name], pa.float32() if name == SIZES[0] else pa.float64()) for name in SIZES[:3]},
            "petal_width": pa.array(frame["petal_width"].astype(str)).cast(pa.decimal128(5, 2)),
            "id": pa.array(frame["id"]).dictionary_encode(),
            "tags": pa.array([["a", "b"]] * 9),
            "at": pa.array(pd.date_range("2026-01-01", periods=9, tz="UTC")),
            "__index_level_0__": pa.array(range(9)),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    for out in ("out.csv", "out.jsonl", "out.parquet"):
        answer(predictor, tmp_path / "in.parquet", tmp_path / out)
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert list(found)[:3] == ["id", "tags", "at"] and found["id"].tolist() == frame["id"].tolist()
    assert pd.read_csv(tmp_path / "out.csv")["tags"].tolist() == ['["a", "b"]'] * 9


def test_what_is_no_file_is_not_written_over(tmp_path, predictor):
    flowers().to_csv(tmp_path / "in.csv", index=False)
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    for out, said in ((pipe, "a device or a pipe"), (tmp_path, "a folder")):
        with pytest.raises(Refusal, match=said):
            answer(predictor, tmp_path / "in.csv", out, form="csv")
    answer(predictor, tmp_path / "in.csv", tmp_path / "out.csv", rejects=pipe)  # no row is refused
    assert pipe.is_fifo() and not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("out", ["out.csv", "out.jsonl"])
def test_texts_that_utf_8_has_not_are_no_traceback(tmp_path, predictor, out):
    row = dict.fromkeys(SIZES, 1.0)
    lines = [json.dumps({"id": "\ud800", **row}), json.dumps({"id": "a", **row})]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    try:
        assert answer(predictor, tmp_path / "in.jsonl", tmp_path / out).answered == 2
    except Refusal as refusal:
        assert "can be neither read nor written" in str(refusal)
        assert not (tmp_path / out).exists()
