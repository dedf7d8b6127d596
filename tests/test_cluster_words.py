"""What is told of runs on a cluster, read from what a real Kubeflow 2.17.0 has answered."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from components.common.base.errors import Refusal
from tabpipe.cluster.metadata import Made
from tabpipe.cluster.schedules import cron_of
from tabpipe.cluster.score_result import lines, scored_by
from tabpipe.cluster.workflow_progress import steps_of
from tabpipe.compile.pipeline_yaml import pipeline_name

NAMES = ["resolve", "download", "preprocess", "check_data", "segregate", "train", "evaluate"]
ANSWERS = json.loads((Path(__file__).parent / "answers" / "workflows.json").read_text())
"""Nodes of workflows, cut down to the fields that are read; made of runs of the pipeline of iris."""


def _steps(name):
    return steps_of({"status": {"nodes": {str(i): node for i, node in enumerate(ANSWERS[name])}}}, NAMES)


def test_a_run_that_went_well_has_all_steps_and_their_times():
    steps = _steps("succeeded")
    assert set(steps) == set(NAMES) and all(step.state == "succeeded" for step in steps.values())
    assert not any(step.cached for step in steps.values())
    assert all(5 < step.ended - step.started < 60 for step in steps.values())
    assert all("-retry-system-container-impl-" in step.pod for step in steps.values())


def test_a_cached_run_has_run_resolve_alone():
    assert {name for name, step in _steps("cached").items() if not step.cached} == {"resolve"}


def test_a_failed_step_is_told_and_those_after_it_have_not_begun():
    steps = _steps("failed")
    assert steps["preprocess"].state == "failed" and steps["preprocess"].message == "main: Error (exit code 1)"
    assert set(steps) == {"resolve", "download", "preprocess"}


@pytest.mark.parametrize(
    ("given", "six"),
    [
        ("0 3 * * 1", "0 0 3 * * 1"),
        ("*/15 * * * *", "0 */15 * * * *"),
        ("30 0 3 1-7 * *", "30 0 3 1-7 * *"),
        ("0 3 * * MON", "0 0 3 * * MON"),
    ],
    ids=["five fields", "steps", "six fields", "names"],
)
def test_cron_expressions_get_kubeflow_s_six_fields(given, six):
    assert cron_of(given) == six


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "not a cron expression"),
        ("@daily", "not a cron expression"),
        ("61 * * * *", "the minute '61'"),
        ("0 24 * * *", "the hour '24'"),
        ("0 0 0 * *", "the day '0'"),
        ("0 0 * * 1;rm", "the weekday"),
    ],
    ids=["empty", "nickname", "minute", "hour", "day", "words"],
)
def test_what_is_no_cron_expression_is_refused_with_the_field(given, said):
    with pytest.raises(Refusal, match=said):
        cron_of(given)


def test_use_cases_get_names_that_kubeflow_accepts():
    assert pipeline_name("music_genres") == "music-genres" and pipeline_name("My Table.v2") == "my-table-v2"


def test_what_the_pipeline_score_did_is_told_with_the_commands_that_bring_it():
    counts = {"rows": 1200.0, "answered": 1198.0, "refused": 2.0}
    made = [
        Made("download", "metrics", "", {"rows": 7.0}, True),
        Made("predict", "metrics", "", counts, True),
        Made("predict", "predictions", "", {"model": "iris.model:v3", "digest": "ab" * 32}, True),
        Made("predict", "rejects", "", {"model": "iris.model:v3", "digest": "cd" * 32}, True),
    ]
    scored = scored_by(made)
    assert scored_by(made[:3]) is None and scored_by([]) is None
    assert lines(scored, "iris.score") == [
        "",
        "  1,198 of 1,200 rows answered by iris.model:v3",
        "  2 refused: tabpipe artifacts get iris.score.rejects:cdcdcdcdcdcd rejects.parquet --cluster",
        "  table    tabpipe artifacts get iris.score.predictions:abababababab predictions.parquet --cluster",
    ]
    assert len(lines(replace(scored, refused=0), "iris.score")) == 3
