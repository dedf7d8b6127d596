"""Configs: what is accepted, what is refused and in which words, and what each step gets to see."""

import json
from pathlib import Path

import pytest
import yaml

from components.common.base.errors import Refusal
from tabpipe.cli.main import main
from tabpipe.compile.pipeline_yaml import compile_training
from tabpipe.config import UseCase, load

ROOT = Path(__file__).resolve().parent.parent
USE_CASES = sorted(path.stem for path in (ROOT / "config").glob("*.yaml"))


def write(tmp_path, change=lambda values: None):
    values = yaml.safe_load((ROOT / "config" / "iris.yaml").read_text())
    change(values)
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return str(path)


@pytest.mark.parametrize("name", USE_CASES)
def test_every_use_case_that_ships_is_accepted(name):
    assert json.loads(load(name).arguments(name)["train"])["target"]


def test_the_schema_for_editors_is_that_of_the_code():
    assert json.loads((ROOT / "config" / "schema.json").read_text()) == UseCase.model_json_schema()


def test_an_override_replaces_one_value():
    assert load("music_genres", ["train.n_estimators=200"]).train.hyperparameters["n_estimators"] == 200


def test_another_model_can_be_chosen_without_its_predecessor_s_hyperparameters():
    without = [f"train.{name}=null" for name in ("n_estimators", "max_depth", "min_samples_leaf")]
    changed = load("music_genres", ["train.model=linear", *without, "train.C=2"])
    assert changed.train.hyperparameters == {"C": 2, "class_weight": "balanced"}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        pytest.param(["trian.seed=1"], ["unknown key 'trian'", "'train'"], id="section"),
        pytest.param(["check_data.rows.minimum=1"], ["check_data.rows.minimum", "'min'"], id="nested-key"),
        pytest.param(["train.n_estimator=5"], ["train.n_estimator", "'n_estimators'"], id="hyperparameter"),
        pytest.param(["train.model=random_forrest"], ["random_forrest", "'random_forest'"], id="model"),
        pytest.param(["segregate.seed=many"], ["segregate.seed", "many", "integer"], id="type"),
        pytest.param(["segregate.test_size=1.5"], ["segregate.test_size", "1.5", "less than 1"], id="impossible-split"),
        pytest.param(["target=gnre"], ["gnre", "'genre'"], id="target"),
        pytest.param(["preprocess.bounds={tepmo: [1, 2]}"], ["tepmo", "'tempo'"], id="column"),
        pytest.param(
            ["check_data.columns.key.range=[5, 1]"], ["check_data.columns.key.range", "5", "above"], id="range"
        ),
        pytest.param(["columns.key=numeric"], ["columns.key", "numeric", "numerical"], id="kind"),
        pytest.param(
            ["cluster.environment={A:b}"], ["colon without a space", "cluster.environment={A: b}"], id="colon"
        ),
        pytest.param(["whatever"], ["whatever", "dotted.name=value"], id="grammar"),
    ],
)
def test_a_wrong_override_is_refused_by_name_value_and_rule(overrides, words):
    with pytest.raises(Refusal) as refused:
        load("music_genres", overrides)
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("target: [", ["case.yaml"], id="no-yaml"),
        pytest.param("- a\n- b\n", ["case.yaml", "not a mapping"], id="a-list"),
        pytest.param("target: a\ntarget: b\n", ["case.yaml", "target"], id="doubled-key"),
        pytest.param("target: a\n", ["case.yaml", "missing"], id="no-columns"),
        pytest.param("columns:\n  *: text\n", ["case.yaml", 'begins with a star: "*"'], id="a-star-unquoted"),
    ],
)
def test_a_broken_file_is_refused_by_its_name(tmp_path, text, words):
    path = tmp_path / "case.yaml"
    path.write_text(text)
    with pytest.raises(Refusal) as refused:
        load(str(path))
    for word in words:
        assert word in str(refused.value)


def test_a_misspelt_use_case_is_refused_with_the_nearest(capsys):
    assert main(["run", "music_genre"]) == 2
    assert "did you mean 'music_genres'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "seen_by"),
    [
        pytest.param(lambda v: v["train"].update(C=2.0), {"train"}, id="hyperparameter"),
        pytest.param(lambda v: v.update(segregate={"seed": 7}), {"segregate"}, id="split"),
        pytest.param(lambda v: v["check_data"]["rows"].update(min=5), {"check_data"}, id="check"),
        pytest.param(lambda v: v.update(preprocess={"drop_duplicates": True}), {"preprocess"}, id="cleaning"),
        pytest.param(lambda v: v["download"].update(source="sample://wine"), {"download"}, id="source"),
        pytest.param(lambda v: v["download"].update(delimiter=";"), {"download", "train"}, id="reading"),
        pytest.param(lambda v: v.update(evaluate={"min_slice_rows": 3}), {"evaluate", "promote"}, id="evaluation"),
        pytest.param(lambda v: v["tsne"].update(perplexity=5), {"tsne"}, id="picture"),
        pytest.param(lambda v: v.update(description="other"), set(), id="description"),
    ],
)
def test_a_change_is_seen_by_the_steps_that_it_concerns_and_no_other(tmp_path, change, seen_by):
    before = load("iris").arguments("iris")
    after = load(write(tmp_path, change)).arguments("iris")
    assert {step for step in before if before[step] != after[step]} == seen_by


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        pytest.param(["columns={sepal_w*: numerical}"], "", id="columns"),
        pytest.param(["check_data.columns={'*_w*': {missing: true}}"], "", id="rules"),
        pytest.param(["train.features.use=['petal*']"], "", id="features"),
        pytest.param(["check_data.columns={w*: {missing: true}}"], "fits the pattern 'w*'", id="a-rule-for-none"),
        pytest.param(["tsne.columns=[w*]"], "fits the pattern 'w*'", id="a-picture-of-none"),
        pytest.param(["evaluate.slices=['petal*']"], "evaluate.slices names the column 'petal*'", id="single-columns"),
    ],
)
def test_columns_may_be_declared_by_patterns_of_their_names(tmp_path, overrides, words):
    path = write(tmp_path, lambda values: [values["check_data"].clear(), values["columns"].pop("sepal_width")])
    if words:
        with pytest.raises(Refusal, match=words.replace("*", r"\*")):
            load(path, overrides)
    else:
        assert load(path, overrides).task == "classification"


def test_thousands_of_columns_may_be_listed_by_name(tmp_path):
    path = write(tmp_path, lambda values: values["columns"].update({f"f{at}": "numerical" for at in range(5000)}))
    assert len(load(path).columns) == 5005  # beyond the 10,000 nodes that OmegaConf reads by default


def test_a_pipeline_with_too_many_names_is_refused_with_the_way_out(tmp_path):
    path = write(tmp_path, lambda values: values["columns"].update({f"f{at}": "numerical" for at in range(800)}))
    with pytest.raises(Refusal, match="by a pattern of their names"):
        compile_training(load(path), "case", tmp_path / "train.yaml")
