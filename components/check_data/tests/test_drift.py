"""The statistical checks: their formulas against figures made by hand, and their error rates on seeded samples."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from components.check_data.check_data import check_file, check_table
from components.check_data.drift import MISSING, category_counts, check_drift, kl_divergence, sidak
from components.check_data.reference import reference_table
from components.common.base.errors import Refusal
from components.common.config.check_data import CheckDataArgument
from components.common.tables.parquet import write_table


def rules(numerical=("x",), categorical=(), **drift):
    kinds = {**dict.fromkeys(numerical, "numerical"), **dict.fromkeys(categorical, "categorical"), "y": "categorical"}
    return CheckDataArgument(
        target="y", task="classification", kinds=kinds, drift={"categorical": list(categorical), **drift}
    )


@pytest.mark.parametrize(
    ("alpha", "tests", "level"),
    [
        (0.05, 1, 0.05),
        (0.05, 2, 0.025320565519103666),
        (0.05, 13, 0.0039378642),
        (0.2, 4, 1 - math.sqrt(math.sqrt(0.8))),
    ],
)
def test_sidak_level(alpha, tests, level):
    assert sidak(alpha, tests) == pytest.approx(level, rel=1e-6)


def test_tests_at_the_sidak_level_err_together_as_often_as_alpha():
    assert 1 - (1 - sidak(0.05, 13)) ** 13 == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("present", "reference", "pseudocount", "nats"),
    [
        ([50, 50], [50, 50], 0, 0.0),
        ([75, 25], [50, 50], 0, 0.75 * math.log(1.5) + 0.25 * math.log(0.5)),
        ([1, 0], [1, 1], 0, math.log(2)),
        ([9, 0], [4, 4], 0.5, 0.95 * math.log(0.95 / 0.5) + 0.05 * math.log(0.05 / 0.5)),
        ([0, 3], [3, 0], 0.5, (1 / 8) * math.log(1 / 7) + (7 / 8) * math.log(7)),
    ],
    ids=["equal", "by-hand", "an-absent-category", "smoothed", "no-category-in-common"],
)
def test_kl_divergence(present, reference, pseudocount, nats):
    assert kl_divergence(np.array(present), np.array(reference), pseudocount) == pytest.approx(nats, abs=1e-12)


def test_kl_divergence_is_that_of_scipy():
    random = np.random.default_rng(0)
    present, reference = random.integers(1, 100, 10), random.integers(1, 100, 10)
    assert kl_divergence(present, reference, 0) == pytest.approx(stats.entropy(present, reference))
    assert kl_divergence(present, reference, 0) != pytest.approx(kl_divergence(reference, present, 0))


@pytest.mark.parametrize("rows", [200, 3000], ids=["exact", "asymptotic"])
def test_the_same_distribution_passes_in_about_95_of_100_samples(rows):
    columns = [f"x{i}" for i in range(4)]
    section, clean = rules(columns), 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        present, past = (pd.DataFrame(random.normal(size=(rows, 4)), columns=columns) for _ in range(2))
        clean += all(check.outcome == "passed" for check in check_drift(present, past, section))
    # 190 of 200 are expected; a right test leaves these bounds once in 10,000 tries, and these seeds are fixed.
    assert 177 <= clean <= 199


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x + 0.2,
        lambda x: x * 1.3,
        lambda x: np.where(np.arange(len(x)) % 10 == 0, 5, x),
        lambda x: np.round(x),
    ],
    ids=["shifted", "widened", "a-tenth-replaced", "rounded"],
)
def test_a_changed_distribution_is_caught(change):
    random = np.random.default_rng(1)
    past = pd.DataFrame({f"x{i}": random.normal(size=4000) for i in range(5)})
    present = pd.DataFrame({f"x{i}": random.normal(size=4000) for i in range(5)})
    present["x3"] = change(present.x3.to_numpy())
    checks = check_drift(present, past, rules(list(past)))
    assert [check.column for check in checks if check.outcome == "failed"] == ["x3"]


def test_a_test_says_its_level_and_its_p_value():
    random = np.random.default_rng(2)
    present, past = (pd.DataFrame({"a": random.normal(size=500), "b": random.normal(size=500)}) for _ in range(2))
    first, _ = check_drift(present, past, rules(["a", "b"], alpha=0.05))
    expected = stats.ks_2samp(present.a, past.a)
    assert "p at least 0.0253" in first.rule and "2 tests at 0.05" in first.rule
    assert f"p = {expected.pvalue:.3g}" in first.observed and f"{expected.statistic:.3f}" in first.observed


def test_missing_and_infinite_values_are_left_out_of_the_test():
    x = np.random.default_rng(3).normal(size=1500)
    present = pd.DataFrame({"x": np.append(x, [np.nan] * 500 + [np.inf])})
    (check,) = check_drift(present, pd.DataFrame({"x": x}), rules())
    assert check.outcome == "passed" and "p = 1," in check.observed


def test_shares_of_a_category_are_compared_with_the_threshold():
    past = pd.DataFrame({"x": range(1000), "city": ["a"] * 500 + ["b"] * 500})
    near = pd.DataFrame({"x": range(1000), "city": ["a"] * 600 + ["b"] * 400})
    far = pd.DataFrame({"x": range(1000), "city": ["a"] * 100 + ["b"] * 400 + ["c"] * 500})
    section = rules(categorical=["city"], kl_threshold=0.2)
    outcomes = [check_drift(table, past, section)[-1] for table in (past, near, far)]
    assert [check.outcome for check in outcomes] == ["passed", "passed", "failed"]
    assert outcomes[0].observed.startswith("0.0000 nats")
    assert "c, +50.00 points" in outcomes[2].observed and outcomes[2].severity == "warning"


def test_missing_values_are_a_category():
    counts = category_counts(pd.Series(["a", None, "a", None, None]))
    assert dict(counts) == {MISSING: 3, "a": 2}


def test_severity_decides_whether_drift_stops_the_pipeline():
    past, present = pd.DataFrame({"x": np.arange(500.0)}), pd.DataFrame({"x": np.arange(500.0) + 400})
    stops = [check_drift(present, past, rules(severity=severity))[0].stops for severity in ("warning", "error")]
    assert stops == [False, True]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        pytest.param(pd.DataFrame({"z": [1, 2]}), "the reference has no numbers", id="column-absent"),
        pytest.param(pd.DataFrame({"x": [np.nan, np.nan]}), "the reference has no numbers", id="all-missing"),
        pytest.param(pd.DataFrame({"x": ["a", "b"]}), "the reference has no numbers", id="text"),
    ],
)
def test_a_column_that_the_reference_lacks_is_skipped(reference, words):
    (check,) = check_drift(pd.DataFrame({"x": [1.0, 2.0]}), reference, rules())
    assert check.outcome == "skipped" and words in check.observed


def test_skipped_columns_do_not_lower_the_level_of_the_others():
    past = pd.DataFrame({"a": np.arange(100.0)})
    checks = check_drift(pd.DataFrame({"a": np.arange(100.0), "b": 1.0}), past, rules(["a", "b"]))
    assert any("p at least 0.05" in check.rule for check in checks if check.outcome == "passed")


def test_the_first_run_says_that_it_has_no_reference():
    (check,) = check_drift(pd.DataFrame({"x": [1.0, 2.0], "c": ["a", "b"]}), None, rules(categorical=["c"]))
    assert check.outcome == "skipped" and "no reference yet" in check.observed
    assert "1 Kolmogorov-Smirnov test and the KL divergence of c" in check.rule


def test_nothing_to_compare_makes_no_check():
    assert check_drift(pd.DataFrame({"y": ["a"]}), None, rules(numerical=())) == []


TABLE = pd.DataFrame({"x": np.arange(400.0), "when": pd.Timestamp("2026-01-01"), "y": ["a", "b"] * 200})
SECTION = {"target": "y", "task": "classification", "kinds": {"x": "numerical", "when": "date", "y": "categorical"}}


@pytest.fixture
def run(tmp_path):
    def check(reference="", declared=None, **more):
        write_table(TABLE, tmp_path / "clean")
        section = {**SECTION, "drift": {"reference": str(declared) if declared else None}, **more}
        return check_file(
            section, str(tmp_path / "clean"), str(reference), str(tmp_path / "accepted"), str(tmp_path / "report.html")
        )

    return check


def drifted(checks):
    return [check.column for check in checks if check.name == "drift" and check.outcome == "failed"]


def test_a_declared_reference_wins_over_the_previous_table(run, tmp_path):
    write_table(TABLE, tmp_path / "same")
    write_table(TABLE.assign(x=TABLE.x + 300), tmp_path / "other.parquet")
    assert drifted(run(tmp_path / "same")) == []
    assert drifted(run(tmp_path / "same", declared=tmp_path / "other.parquet")) == ["x"]
    assert "other.parquet" in (tmp_path / "report.html").read_text()


def test_a_reference_may_be_a_csv(run, tmp_path):
    TABLE.assign(x=TABLE.x + 300, more=1).to_csv(tmp_path / "other.csv", index=False)
    assert drifted(run(declared=tmp_path / "other.csv")) == ["x"]


@pytest.mark.parametrize("delimiter", [";", ","])
def test_a_reference_is_read_as_the_source_is_or_by_the_delimiter_that_its_header_shows(run, tmp_path, delimiter):
    reading = {"delimiter": ";", "columns": {"when": {"format": "%d.%m.%Y"}, "x": {"missing": [-1]}}}
    other = TABLE.assign(x=TABLE.x + 300, when="01.01.2026")
    other.loc[:99, "x"] = -1
    other.to_csv(tmp_path / "other.csv", index=False, sep=delimiter)
    assert drifted(run(declared=tmp_path / "other.csv", reading=reading)) == ["x"]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        pytest.param(TABLE.drop(columns="x"), ["lacks 'x'", "its columns are when, y"], id="no-checked-column"),
        pytest.param(pd.DataFrame({"height": [1.0]}), ["lacks 'x'", "its columns are height"], id="another-table"),
        pytest.param(TABLE.assign(x="tall"), ["column 'x'", "row 1 below", "tall", "a number"], id="no-number"),
        pytest.param(TABLE.head(0), ["no rows"], id="no-rows"),
    ],
)
def test_a_reference_that_cannot_be_compared_with_is_refused(run, tmp_path, other, words):
    other.to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(Refusal) as refusal:
        run(declared=tmp_path / "other.csv")
    for word in ["check_data.drift.reference", *words]:
        assert word in str(refusal.value)


def test_a_reference_may_lack_derived_columns(tmp_path):
    TABLE.to_csv(tmp_path / "same.csv", index=False)
    kinds = {**SECTION["kinds"], "made": "numerical"}
    drift = {"reference": str(tmp_path / "same.csv")}
    section = CheckDataArgument(**{**SECTION, "kinds": kinds, "derived": ["made"], "drift": drift})
    assert list(reference_table(section, "")[0]) == ["x", "when", "y"]


@pytest.mark.parametrize(
    "content", [None, b"PAR1 but no more", b"", b'a,b\n"'], ids=["absent", "cut-parquet", "empty", "broken-csv"]
)
def test_a_reference_that_cannot_be_read_is_refused(run, tmp_path, content):
    if content is not None:
        (tmp_path / "reference").write_bytes(content)
    with pytest.raises(Refusal) as refusal:
        run(declared=tmp_path / "reference")
    assert str(tmp_path / "reference") in str(refusal.value)
    assert not (tmp_path / "accepted").exists()


def test_rules_and_drift_are_one_list():
    checks = check_table(TABLE, TABLE, CheckDataArgument(**SECTION))
    assert {"rows", "present", "type", "missing", "finite", "target varies", "class sizes", "drift"} == {
        check.name for check in checks
    }
