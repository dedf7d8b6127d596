"""`tabpipe ab report`: logged predictions and later outcomes say which model is better, or that they cannot."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.base.errors import Refusal
from components.common.inference.sklearn_predict import Answers
from components.common.metrics.bootstrap import percentile_interval
from components.common.metrics.scores import classification_scores, regression_scores
from tabpipe.ab.checks import chance_of_split
from tabpipe.ab.compare import FEWEST, Comparison, Side
from tabpipe.ab.report import moment_of, told_first
from tabpipe.ab.scores import score_of
from tabpipe.ab.sentences import sentence
from tabpipe.cli.main import main

START = datetime(2026, 3, 1, 23, 0, tzinfo=UTC)
CLASSES = ["apple", "melon", "plum"]
FIELDS = {
    "time": pa.timestamp("us", "UTC"),
    **dict.fromkeys(["request_id", "id", "key", "model", "version", "role", "prediction"], pa.string()),
    **{"row": pa.int32(), "unknown": pa.int32(), "shadow": pa.bool_()},
    **{"value": pa.float64(), "probability": pa.float64(), "latency_ms": pa.float64(), "input.weight": pa.float64()},
    "probabilities": pa.list_(pa.float64()),
}


def logged(folder, rows, name="fruit", classes=CLASSES, files=3):
    """Writes rows as the server does: one folder for each day, several files in it, classes in the metadata."""
    defaults = {"row": 0, "shadow": False, "model": name, "version": "v1", "role": "champion", "latency_ms": 1.0}
    frame = pd.DataFrame([{**defaults, **row} for row in rows])
    frame["key"] = frame.get("key", frame["request_id"])
    frame["day"] = frame["time"].map(lambda moment: moment.date().isoformat())
    schema = pa.schema(FIELDS.items(), metadata={"tabpipe.classes": json.dumps(classes)})
    for day, some in frame.groupby("day"):
        for number, part in enumerate(np.array_split(np.arange(len(some)), min(files, len(some)))):
            path = folder / name / f"date={day}" / f"120000-host-1-{number}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            records = some.iloc[part].drop(columns="day").to_dict("records")
            records = [{key: value for key, value in record.items() if value == value} for record in records]
            pq.write_table(pa.Table.from_pylist([{**dict.fromkeys(FIELDS), **one} for one in records], schema), path)


def answered(truth, right, seed):
    """Predictions of which about such a share is right, with probabilities."""
    random = np.random.default_rng(seed)
    told = []
    for label in truth:
        said = label if random.random() < right else random.choice([name for name in CLASSES if name != label])
        chances = [0.6 if name == said else 0.2 for name in CLASSES]
        told.append({"prediction": str(said), "probabilities": chances, "probability": 0.6})
    return told


def traffic(rows, right, fraction=0.5, seed=0, **more):
    """A split log of requests of one row each, and the truths; the models are right in shares of the rows."""
    random = np.random.default_rng(seed)
    truth = random.choice(CLASSES, rows)
    said = {role: answered(truth, share, seed + 1 + at) for at, (role, share) in enumerate(right.items())}
    log = []
    for at in range(rows):
        role = "challenger" if random.random() < fraction else "champion"
        told = {"champion": "v1", "challenger": "v2"}
        base = {"time": START + timedelta(seconds=30 * at), "request_id": f"r{at}", "id": f"f{at}"}
        log.append({**base, "role": role, "version": told[role], **said[role][at], **more})
    return log, pd.DataFrame({"fruit": [f"f{at}" for at in range(rows)], "label": truth})


def shadowed(rows, right, seed=0):
    """A log in which both models answered every row, the challenger as a shadow, and the truths."""
    random = np.random.default_rng(seed)
    truth = random.choice(CLASSES, rows)
    hard = random.random(rows)  # what is hard for one model is hard for the other
    log = []
    for role, version, share in (("champion", "v1", right[0]), ("challenger", "v2", right[1])):
        for at, label in enumerate(truth):
            said = label if hard[at] < share else CLASSES[(CLASSES.index(label) + 1) % 3]
            moment = START + timedelta(seconds=at)
            base = {"time": moment, "request_id": f"r{at}", "id": f"f{at}", "role": role, "version": version}
            log.append({**base, "shadow": role == "challenger", "prediction": said})
    return log, pd.DataFrame({"fruit": [f"f{at}" for at in range(rows)], "label": truth})


@pytest.fixture
def report(tmp_path, capsys):
    """Writes a log and outcomes, runs the command, and returns its document (or what it printed, without json)."""

    def run(log, outcomes, *arguments, name="outcomes.csv", columns=("fruit", "label"), json_=True, **how):
        if log is not None:
            logged(tmp_path / "log", log, **how)
        path = tmp_path / name
        if name.endswith(".parquet"):
            outcomes.to_parquet(path)
        elif name.endswith(".jsonl"):
            outcomes.to_json(path, orient="records", lines=True)
        else:
            outcomes.to_csv(path, index=False)
        place = ["--log", str(tmp_path / "log"), "--outcomes", str(path), "--id", columns[0], "--truth", columns[1]]
        capsys.readouterr()
        code = main(["ab", "report", "fruit", *place, *(["--json"] if json_ else []), *arguments])
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out) if json_ else out

    return run


@pytest.fixture
def refused(report, capsys):
    """The refusal's words of a command that is not accepted."""

    def run(*arguments, **how):
        try:
            report(*arguments, **how)
        except AssertionError as error:
            return str(error)
        pytest.fail("it was accepted")

    return run


@pytest.mark.parametrize(
    ("right", "better"),
    [((0.6, 0.8), "challenger"), ((0.8, 0.6), "champion"), ((0.7, 0.7), "neither")],
    ids=["challenger", "champion", "alike"],
)
def test_the_better_model_of_a_split_is_told(report, right, better):
    told = report(*traffic(3000, dict(zip(("champion", "challenger"), right, strict=True)), fraction=0.3))
    (one,) = told["comparisons"]
    assert told["better"] == one["better"] == better
    assert one["kind"] == "split"
    assert one["interval"][0] < one["difference"] < one["interval"][1]
    assert one["champion"]["rows"] + one["challenger"]["rows"] > 2950
    assert one["difference"] == pytest.approx(one["challenger"]["score"] - one["champion"]["score"])


def test_shadow_answers_of_the_same_rows_tell_smaller_differences(report, tmp_path):
    log, truth = shadowed(600, (0.70, 0.74))
    paired = report(log, truth)
    assert paired["better"] == "challenger"
    assert [one["kind"] for one in paired["comparisons"]] == ["paired"]
    assert paired["comparisons"][0]["champion"]["rows"] == 600
    # The same two models, each on half of the rows: what is hard does not cancel out.
    halves = [{**one, "shadow": False} for one in log if (int(one["id"][1:]) % 2 == 0) == (one["role"] == "champion")]
    split = report(halves, truth, name="split.csv")["comparisons"][-1]
    assert split["kind"] == "split"
    assert np.ptp(split["interval"]) > 3 * np.ptp(paired["comparisons"][0]["interval"])


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "f1_macro"])
def test_scores_are_those_of_a_run(report, metric):
    log, truth = traffic(500, {"champion": 0.7, "challenger": 0.8})
    told = report(log, truth, "--metric", metric)
    for role in ("champion", "challenger"):
        rows = [one for one in log if one["role"] == role]
        label = truth.set_index("fruit")["label"].reindex([one["id"] for one in rows]).to_numpy(dtype=object)
        said = np.array([one["prediction"] for one in rows], dtype=object)
        chances = np.array([one["probabilities"] for one in rows])
        expected = classification_scores(label, Answers(said, chances), CLASSES).values[metric]
        (model,) = [one for one in told["models"] if one["role"] == role]
        assert model["score"] == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_numbers_are_compared_by_their_error(report, metric):
    random = np.random.default_rng(0)
    truth = random.normal(100, 20, 400)
    log = [
        {
            "time": START + timedelta(seconds=at),
            "request_id": f"r{at}",
            "role": role,
            "version": role,
            "value": float(truth[at] + random.normal(0, spread)),
        }
        for at in range(400)
        for role, spread in [("champion", 8.0) if at % 2 else ("challenger", 4.0)]
    ]
    outcomes = pd.DataFrame({"request": [f"r{at}" for at in range(400)], "price": truth})
    told = report(log, outcomes, "--metric", metric, columns=("request", "price"), classes=None, name="o.parquet")
    assert told["task"] == "regression"
    assert told["better"] == "challenger"
    assert told["comparisons"][0]["difference"] > 0 > told["comparisons"][0]["challenger"]["score"] - 100
    rows = [one for one in log if one["role"] == "champion"]
    said, is_ = np.array([one["value"] for one in rows]), truth[[int(one["request_id"][1:]) for one in rows]]
    expected = regression_scores(is_, Answers(said).predicted).values[metric]
    assert next(one for one in told["models"] if one["role"] == "champion")["score"] == pytest.approx(expected)


def test_few_rows_have_no_winner(report):
    log, truth = traffic(40, {"champion": 0.1, "challenger": 0.95})
    told = report(log, truth)
    assert told["better"] == "too few"
    assert told["comparisons"][0]["interval"] is None
    assert str(FEWEST) in told["sentence"]


def test_rows_of_one_key_count_as_one(report):
    # Two customers, each with many rows: much is known of them, and nothing of others.
    log, truth = traffic(2000, {"champion": 0.6, "challenger": 0.9})
    many = report(log, truth)["comparisons"][0]
    few = report([{**one, "key": one["role"]} for one in log], truth)["comparisons"][0]
    assert (many["better"], few["better"]) == ("challenger", "too few")
    assert few["champion"]["keys"] == 1
    clustered = [{**one, "key": f"{one['role']}{at % 120}"} for at, one in enumerate(log)]
    assert report(clustered, truth)["comparisons"][0]["champion"]["keys"] <= 120


def test_intervals_cover_what_is_true_as_often_as_they_say():
    random, hits = np.random.default_rng(0), 0
    for seed in range(150):
        sides = []
        for share in (0.7, 0.8):  # 60 keys of four rows each, which are right or wrong together
            right = np.repeat(random.random(60) < share, 4)
            rows = pd.DataFrame({"predicted": np.where(right, "a", "b"), "truth": "a"})
            sides.append(score_of("accuracy", rows, np.arange(240) // 4))
        low, high, _ = percentile_interval(
            *sides, (60, 60), paired=False, sign=1, resamples=2000, confidence=0.8, seed=seed
        )
        hits += low <= 0.1 <= high
    assert 102 <= hits <= 138  # 120 are expected; of rows drawn one by one it would be some 60


def test_what_cannot_be_joined_is_counted(report):
    log, truth = traffic(300, {"champion": 0.7, "challenger": 0.8})
    again = [{**one, "time": one["time"] + timedelta(hours=8), "request_id": f"x{one['id']}"} for one in log[:10]]
    table = pd.concat(
        [
            truth.iloc[:250],
            truth.iloc[:5],
            pd.DataFrame({"fruit": ["z1", "z2", None, "f9"], "label": ["plum", "plum", "plum", None]}),
        ]
    )
    counts = report([*log, *again], table)["counts"]
    assert counts["predictions"] == 310
    assert counts["requests"] == 310
    assert counts["ids_without_outcome"] == 50
    assert counts["predictions_of_an_id_asked_again"] == 10
    assert counts["outcomes"] == 259
    assert counts["outcomes_without_prediction"] == 2
    assert counts["outcomes_without_id_or_truth"] == 2
    assert counts["outcomes_repeated"] == 5


def test_of_an_id_asked_again_the_last_before_the_outcome_counts(report):
    log, truth = traffic(200, {"champion": 0.0, "challenger": 0.0})
    right = dict(truth.itertuples(index=False))
    corrected = [
        {**one, "time": one["time"] + timedelta(days=1), "prediction": right[one["id"]]} for one in log
    ]  # a day later both know all
    last = report([*log, *corrected], truth)
    assert {one["score"] for one in last["models"]} == {1.0}
    timed = truth.assign(at="2026-03-02T18:00:00Z")
    before = report(None, timed, "--time", "at")
    assert {one["score"] for one in before["models"]} == {0.0}
    assert before["counts"]["predictions_after_their_outcome"] == 200


def test_rows_without_ids_go_by_their_request(report):
    base = {"time": START, "prediction": "plum", "role": "champion"}
    one_row = [{**base, "request_id": f"s{at}"} for at in range(40)]
    many = [{**base, "request_id": f"m{at}", "row": row} for at in range(20) for row in (0, 2)]
    challenger = [{**one, "role": "challenger", "version": "v2", "shadow": True} for one in [*one_row, *many]]
    ids = [f"s{at}" if at % 2 else f"s{at}/0" for at in range(40)]
    ids += [f"m{at}/{row}" for at in range(20) for row in (0, 1, 2)]
    told = report([*one_row, *many, *challenger], pd.DataFrame({"fruit": ids, "label": "plum"}))
    assert told["comparisons"][0]["champion"]["rows"] == 80
    assert told["counts"]["outcomes_without_prediction"] == 20


def test_versions_that_change_are_told_apart(report):
    log, truth = traffic(3000, {"champion": 0.6, "challenger": 0.8})
    for at, one in enumerate(log):  # half way v2 is promoted, and v3 challenges it
        if at >= 1500:
            one["version"] = {"champion": "v2", "challenger": "v3"}[one["role"]]
    told = report(log, truth)
    pairs = [(one["champion"]["version"], one["challenger"]["version"]) for one in told["comparisons"]]
    assert pairs == [("v2", "v3"), ("v1", "v2")]
    assert len(told["models"]) == 4
    assert sum("changed within this time" in words for words in told["warnings"]) == 2


def test_a_split_that_is_not_that_of_the_fraction_is_told(report):
    log, truth = traffic(2000, {"champion": 0.7, "challenger": 0.7}, fraction=0.4)
    assert report(log, truth, "--fraction", "0.4")["warnings"] == []
    (words,) = report(log, truth, "--fraction", "0.5")["warnings"]
    assert "Sample ratio" in words
    assert chance_of_split(500, 1000, 0.5) == 1
    assert chance_of_split(560, 1000, 0.5) == pytest.approx(0.000148, rel=0.02)


def test_outcomes_that_are_missing_for_one_model_are_told(report):
    log, truth = traffic(1000, {"champion": 0.7, "challenger": 0.7})
    role = {one["id"]: one["role"] for one in log}
    lost = truth[[role[name] == "champion" or at % 3 > 0 for at, name in enumerate(truth["fruit"])]]
    assert any("Outcomes are known of" in words for words in report(log, lost)["warnings"])


def test_a_time_bounds_what_is_read(report, tmp_path):
    log, truth = traffic(300, {"champion": 0.7, "challenger": 0.8})
    day = report(log, truth, "--since", "2026-03-02", "--until", "2026-03-02T00:10:00Z")
    assert day["counts"]["predictions"] == 20
    # Files of other days are not even opened.
    for path in (tmp_path / "log" / "fruit" / "date=2026-03-01").iterdir():
        path.write_bytes(b"damaged")
    assert report(None, truth, "--since", "2026-03-02")["counts"]["predictions"] == 180
    assert abs(datetime.now(UTC) - timedelta(days=7) - moment_of("7d", "--since")) < timedelta(seconds=5)


@pytest.mark.parametrize("name", ["o.csv", "o.parquet", "o.jsonl"])
@pytest.mark.parametrize("kind", ["int", "text"])
def test_ids_of_every_kind_and_table_are_found(report, name, kind):
    log, truth = traffic(100, {"champion": 0.7, "challenger": 0.8})
    spelt = (lambda at: str(at)) if kind == "int" else (lambda at: f"{at:05d}")
    for at, one in enumerate(log):
        one["id"] = spelt(at)
    truth["fruit"] = range(100) if kind == "int" else [spelt(at) for at in range(100)]
    told = report(log, truth, name=name)
    assert told["counts"]["outcomes_without_prediction"] == 0


def test_words_and_page_say_the_same(report, tmp_path):
    log, truth = shadowed(300, (0.6, 0.8))
    page = tmp_path / "ab.html"
    words = report(log, truth, "--html", str(page), json_=False)
    assert "The challenger (v2) is better" in words
    assert "300 rows that both answered" in words
    text = page.read_text()
    assert "The challenger (v2) is better" in text
    assert "<svg" in text
    assert "v2 against v1, same rows" in text


def test_a_log_of_one_model_compares_nothing(report):
    log, truth = traffic(100, {"champion": 0.7, "challenger": 0.7}, fraction=0)
    told = report(log, truth)
    assert told["better"] is None
    assert "no answers of a challenger" in told["sentence"]
    assert told["models"][0]["with_outcome"] == 100


GOOD = traffic(100, {"champion": 0.7, "challenger": 0.8})


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        (lambda log, truth: (log, truth.rename(columns={"fruit": "fruits"})), [], "did you mean 'fruits'"),
        (lambda log, truth: (log, truth.assign(fruit="none of them")), [], "no outcome is of a logged prediction"),
        (lambda log, truth: (log, truth.assign(label="pear")), [], "no true value is a class that was predicted"),
        (lambda log, truth: (log, truth.iloc[:0]), [], "no row has both an id and a true value"),
        (lambda log, truth: (log, truth), ["--metric", "mae"], "there is no score 'mae' of a classification"),
        (lambda log, truth: (log, truth), ["--metric", "acuracy"], "did you mean 'accuracy'"),
        (lambda log, truth: (log, truth), ["--confidence", "95"], "above 0.5 and below 1"),
        (lambda log, truth: (log, truth), ["--since", "yesterday"], "not a time"),
        (lambda log, truth: (log, truth), ["--since", "2030-01-01"], "nothing was predicted in this time"),
        (
            lambda log, truth: ([{**one, "probabilities": None} for one in log], truth),
            ["--metric", "log_loss"],
            "no prob",
        ),
        (
            lambda log, truth: ([{**one, "value": 1.0} if at else one for at, one in enumerate(log)], truth),
            [],
            "numbers",
        ),
        (lambda log, truth: (log, truth.assign(at="soon")), ["--time", "at"], "not all are times"),
    ],
    ids=[
        *("column", "ids", "labels", "empty", "task", "metric", "confidence", "since", "future"),
        *("probabilities", "mixed", "times"),
    ],
)
def test_what_cannot_be_compared_is_refused(refused, change, arguments, words):
    assert words in refused(*change(GOOD[0], GOOD[1].copy()), *arguments)


def test_a_log_that_is_none_is_refused(refused, tmp_path):
    assert "no predictions are logged here" in refused(None, GOOD[1])
    logged(tmp_path / "log", GOOD[0], name="fruits")
    assert "did you mean 'fruits'" in refused(None, GOOD[1])
    path = tmp_path / "log" / "fruit" / "date=2026-03-01" / "1.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), path)
    assert "this is no log of predictions" in refused(None, GOOD[1])
    path.write_bytes(b"damaged")
    assert "not a readable parquet file" in refused(None, GOOD[1])


def test_a_wrong_place_is_refused(tmp_path):
    from tabpipe.ab.log import opened

    with pytest.raises(Refusal, match="no place of a log"):
        opened("gs://bucket/log")


def _comparison(kind, better, difference, versions=("v1", "v2")):
    sides = [Side(version, 900, 900, 0.7) for version in versions]
    span = (difference - 0.02, difference + 0.02)
    return Comparison(kind, *sides, "2026-03-01", "2026-03-02", difference, span, 2000, better)


def test_a_decided_comparison_of_the_newest_pair_is_told_first():
    undecided, decided = _comparison("split", "neither", 0.001), _comparison("paired", "champion", -0.05)
    older = _comparison("paired", "challenger", 0.09, ("v0", "v1"))
    assert told_first([undecided, decided, older]) is decided
    assert told_first([undecided, older]) is undecided


def test_a_worse_challenger_is_called_worse():
    words = sentence(_comparison("paired", "champion", -0.05), "accuracy", 0.95)
    assert words.startswith(
        "The champion (v1) is better: the challenger has accuracy 0.7000 against 0.7000 (worse by 0.0500;"
    )
