"""What hangs on the library of an estimator: images, caches, and a champion whose library is not at hand."""

import sys

import pytest

from components.common.config.promote import PromoteArgument
from components.common.inference.predictor import load_predictor
from components.promote.compare import compare
from components.train.tests.trees import section, trees
from components.train.train import train_file
from tabpipe.compile.images import BASE, MLFLOW, SERVER, image_of
from tabpipe.engines import kfp_local
from tabpipe.engines.execution import Execution
from tabpipe.engines.kfp_local import StepCache
from tabpipe.steps import steps

LOAD_MODELS = {"train", "evaluate", "promote", "predict", SERVER}


@pytest.mark.parametrize("model", ["lightgbm", "xgboost", "catboost"])
def test_only_images_that_load_models_hold_the_library_of_the_config(model):
    names = [*steps(), BASE, SERVER, MLFLOW]
    assert {name for name in names if image_of(name, model=model) != image_of(name)} == LOAD_MODELS
    assert all(image_of(name, model="linear") == image_of(name) for name in names)


def test_another_version_of_the_library_trains_anew_and_reads_nothing_anew(tmp_path, monkeypatch):
    versions = {"lightgbm": "4.6.0"}
    monkeypatch.setattr(kfp_local, "installed", lambda names: {k: v for k, v in versions.items() if k in names})

    def keys(packages):
        kfp_local._environment.cache_clear()
        execution = Execution(tmp_path, log=None, spool=tmp_path, warm=lambda: None, packages=packages)
        cache = StepCache(str(tmp_path), execution)
        task = {"arguments": {}, "image": "", "full_command": []}
        return {step: cache.compute_key(component_name=f"comp-{step}", **task) for step in steps()}

    before, plain = keys(("lightgbm",)), keys(())
    versions["lightgbm"] = "4.7.0"
    after = keys(("lightgbm",))
    assert {step for step in steps() if after[step] != before[step]} == LOAD_MODELS - {SERVER}
    assert keys(()) == plain
    kfp_local._environment.cache_clear()


def test_a_champion_whose_library_is_absent_is_compared_by_its_compiled_form(tmp_path, monkeypatch):
    pytest.importorskip("lightgbm", reason="lightgbm is not installed: make estimator MODEL=lightgbm")
    table, held_out, test = trees(), trees(120, seed=1), trees(200, seed=2)
    paths = [str(tmp_path / name) for name in ("train", "validation")]
    table.to_parquet(paths[0])
    held_out.to_parquet(paths[1])
    for name, settings in (("old", {"model": "lightgbm", "n_estimators": 20}), ("new", {"n_estimators": 3})):
        train_file(section(**settings).model_dump(), *paths, str(tmp_path / name), str(tmp_path / f"{name}.html"))
    argument = PromoteArgument(use_case="trees", target="kind", task="classification")

    def compared():
        return compare(argument, tmp_path / "new", tmp_path / "old", test, None)

    there = compared()
    for module in [name for name in sys.modules if name.partition(".")[0] == "lightgbm"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    absent = compared()
    assert load_predictor(tmp_path / "old").path == "compiled"
    assert (there.champion.estimator, absent.champion.estimator) == ("LGBMClassifier", "lightgbm")
    assert absent.champion.scores.values == pytest.approx(there.champion.scores.values)
    assert absent.difference == pytest.approx(there.difference)
