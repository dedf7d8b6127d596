from dataclasses import replace

import numpy as np
import pytest

from components.common.config.segregate import SplitRule
from components.common.inference.sklearn_predict import Answers
from components.common.metrics.scores import Scores
from components.promote.compare import Comparison, Guessed, Judged
from components.promote.leakage import SplitChange
from components.promote.slice_pairs import SlicePair
from components.promote.verdict import decide


def judged(latency=3.0, size=2_000_000, **scores):
    return Judged("Tree", Scores(scores), Answers(np.zeros(0)), latency, size, ["a", "b"])


ALONE = {"champion": None, "difference": None, "interval": None, "slices": []}


def compared(candidate=0.9558, champion=0.9537, interval=(0.0004, 0.0038), metric="auc_macro_ovo", **changes):
    lower = metric in ("log_loss", "mae", "rmse")
    gap = champion - candidate if lower else candidate - champion
    found = Comparison(
        rows=900,
        left_out=0,
        candidate=judged(**{metric: candidate, "accuracy": 0.8}),
        champion=judged(**{metric: champion, "accuracy": 0.79}),
        unfit="",
        signature=[],
        difference=gap,
        interval=interval,
        resamples=1000,
        slices=[SlicePair("place", "west", 5, 0.9, 0.1, 0.8), SlicePair("place", "north", 120, 0.91, 0.86, 0.05)],
    )
    return replace(found, **changes)


def texts(verdict, met=True):
    return [reason.text for reason in verdict.reasons if reason.met == met]


def test_a_better_candidate_is_promoted_and_the_reason_has_the_numbers(section):
    verdict = decide(section(), compared())
    assert verdict.decision == "promote"
    assert texts(verdict) == ["AUC 0.9558 is 0.0021 above the champion's 0.9537; more than 0 is asked"]


@pytest.mark.parametrize(
    ("candidate", "margin", "decision", "text"),
    [
        (0.95, 0.0, "keep", "AUC 0.9500 is 0.0037 below the champion's 0.9537; more than 0 above it is asked"),
        (0.9537, 0.0, "keep", "AUC 0.9537 is just the champion's; more than 0 above it is asked"),
        (0.9637, 0.01, "keep", "AUC 0.9637 is 0.0100 above the champion's 0.9537; more than 0.01 is asked"),
        (0.9638, 0.01, "promote", "AUC 0.9638 is 0.0101 above the champion's 0.9537; more than 0.01 is asked"),
    ],
    ids=["worse", "equal", "just-the-margin", "above-the-margin"],
)
def test_the_difference_must_be_above_the_margin(section, candidate, margin, decision, text):
    verdict = decide(section(margin=margin), compared(candidate))
    assert verdict.decision == decision and verdict.reasons[0].text == text


@pytest.mark.parametrize(("candidate", "decision", "way"), [(3.1, "promote", "below"), (3.5, "keep", "above")])
def test_of_an_error_less_is_better(section, candidate, decision, way):
    verdict = decide(section("regression"), compared(candidate, 3.3, metric="rmse"))
    assert verdict.decision == decision
    assert verdict.reasons[0].text.startswith(f"RMSE {candidate:.4f} is 0.2000 {way} the champion's 3.3000")


@pytest.mark.parametrize(
    ("interval", "margin", "decision"),
    [
        ((0.0004, 0.004), 0.0, "promote"),
        ((-0.0001, 0.004), 0.0, "keep"),
        ((0.0, 0.004), 0.0, "keep"),
        ((0.0004, 0.004), 0.001, "keep"),
        (None, 0.0, "keep"),
    ],
    ids=["above", "below", "at", "below-the-margin", "none"],
)
def test_who_asks_for_certainty_asks_the_interval(section, interval, margin, decision):
    assert decide(section(certain=True, margin=margin), compared(interval=interval)).decision == decision
    assert decide(section(margin=margin), compared(interval=interval)).decision == "promote"


@pytest.mark.parametrize(
    ("thresholds", "decision"),
    [({"accuracy": 0.8}, "promote"), ({"accuracy": 0.81}, "keep"), ({"f1_macro": 0.1}, "keep")],
    ids=["met", "not-met", "no-such-score"],
)
def test_thresholds_hold_for_the_candidate_by_itself(section, thresholds, decision):
    alone = compared(champion=0.5)
    assert decide(section(thresholds=thresholds), alone).decision == decision
    first = replace(alone, **ALONE)
    assert decide(section(thresholds=thresholds), first).decision == decision


@pytest.mark.parametrize(("limit", "decision"), [(0.5, "promote"), (0.3, "keep")])
def test_a_threshold_of_a_loss_is_the_most(section, limit, decision):
    found = compared(0.4, 0.6, metric="log_loss")
    assert decide(section(metric="log_loss", thresholds={"log_loss": limit}), found).decision == decision


@pytest.mark.parametrize(
    ("guards", "decision"),
    [
        ({"latency_ms": 3}, "promote"),
        ({"latency_ms": 2.9}, "keep"),
        ({"size_mb": 2}, "promote"),
        ({"size_mb": 1.9}, "keep"),
        ({"slice_drop": 0.05}, "promote"),
        ({"slice_drop": 0.04}, "keep"),
    ],
    ids=lambda value: str(value),
)
def test_guards_hold_however_good_the_candidate_is(section, guards, decision):
    assert decide(section(guards=guards), compared()).decision == decision


def test_the_worst_slice_that_is_large_enough_is_named(section):
    (text,) = texts(decide(section(guards={"slice_drop": 0.04}), compared()), met=False)
    assert text == (
        "The worst slice, place north (120 rows), goes from 91.0% right answers to 86.0%; "
        "no slice may lose more than 4 points"
    )
    verdict = decide(section(guards={"slice_drop": 0.0}, min_slice_rows=500), compared())
    assert verdict.decision == "promote" and "nothing to judge" in verdict.reasons[-1].text


def test_the_first_model_is_not_held_against_anyone(section):
    first = compared(champion=0.5)
    first = replace(first, **ALONE)
    asked = section(margin=0.5, certain=True, guards={"slice_drop": 0.0})
    assert decide(asked, first).decision == "promote"
    assert decide(section(guards={"latency_ms": 1}), first).decision == "keep"


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        ({"gate": "manual"}, {}),
        ({}, {"signature": ["column tempo is new"]}),
        ({}, {"unfit": "it is a regressor", **ALONE}),
    ],
    ids=["manual-gate", "signature", "unfit"],
)
def test_a_person_decides_where_the_numbers_do_not_settle_it(section, given, changes):
    verdict = decide(section(**given), replace(compared(), **changes))
    assert verdict.decision == "wait" and [reason.open for reason in verdict.reasons if not reason.met] == [True]
    assert decide(section(**given, thresholds={"accuracy": 0.9}), replace(compared(), **changes)).decision == "keep"


def test_a_model_that_a_person_took_back_does_not_come_back_by_itself(section):
    verdict = decide(section(), compared(), given_up=True)
    assert verdict.decision == "keep" and len(texts(verdict, met=False)) == 1


def test_a_model_of_another_source_waits_and_the_reason_names_both(section):
    verdict = decide(section(), compared(), sources=("sample://iris", "/data/iris.csv"))
    assert verdict.decision == "wait"
    assert "trained on sample://iris, the champion on /data/iris.csv" in texts(verdict, met=False)[0]
    assert decide(section(), compared(candidate=0.9), sources=("a", "b")).decision == "keep", "and is no better"


def test_a_comparison_across_a_changed_split_is_told_of(section):
    rules = [SplitRule(by="shuffle", seed=seed, test_size=0.3, validation_size=0.3) for seed in (42, 7)]
    verdict = decide(section(), compared(split=SplitChange(*rules), rows=120, left_out=30))
    assert verdict.decision == "promote"
    assert "on the 120 test rows that neither can have known, 30 left out" in texts(verdict)[0]
    assert len(texts(decide(section(), compared(split=SplitChange(rules[0], rules[0]))))) == 1


@pytest.mark.parametrize(
    ("asked", "difference", "interval", "first", "second"),
    [
        ("certain", 0.1, (0.02, 0.2), "promote", "promote"),
        ("certain", 0.1, (-0.02, 0.2), "keep", "promote"),
        ("certain", 0.1, None, "keep", "promote"),
        ("better", 0.1, (-0.02, 0.2), "promote", "promote"),
        ("better", 0.0, (-0.1, 0.1), "keep", "keep"),
        ("certain", -0.1, (-0.2, -0.02), "keep", "keep"),
        (False, -0.1, (-0.2, -0.02), "promote", "promote"),
    ],
    ids=["certain", "uncertain", "no-interval", "asked-less", "equal", "worse", "not-asked"],
)
def test_no_champion_is_worse_than_guessing_and_the_first_is_certainly_better(
    section, asked, difference, interval, first, second
):
    guessed = Guessed({"auc_macro_ovo": 0.9558 - difference}, difference, interval)
    alone = replace(compared(guessed=guessed), **ALONE)
    assert decide(section(beats_baseline=asked), alone).decision == first
    assert decide(section(beats_baseline=asked), compared(champion=0.2, guessed=guessed)).decision == second
    if first == "keep":
        assert "of guessing" in texts(decide(section(beats_baseline=asked), alone), met=False)[0]


def test_a_score_that_one_of_them_lacks_makes_none_better(section):
    verdict = decide(section(), compared(difference=None, interval=None))
    assert verdict.decision == "keep" and "cannot be worked out" in verdict.reasons[0].text
