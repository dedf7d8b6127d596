"""Compiled pipelines: what Kubeflow gets is whole, small, the same each time, and holds the use case's values."""

import json

import pytest
import yaml

from components.common.errors import Refusal
from tabpipe.compiling import LARGEST, compile_training
from tabpipe.config import load
from tabpipe.images import STEPS, image_of


@pytest.mark.parametrize("name", ["music_genres", "nyc_rentals", "iris"])
def test_a_compiled_pipeline_is_accepted_by_kfp_and_the_same_each_time(tmp_path, name):
    from kfp.components import load_component_from_file

    use_case = load(name)
    for file in ("a.yaml", "b.yaml"):
        assert compile_training(use_case, tmp_path / file) < LARGEST
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()
    component = load_component_from_file(str(tmp_path / "a.yaml"))
    assert set(use_case.arguments()) <= set(component.component_spec.inputs)
    assert all(parameter.optional for parameter in component.component_spec.inputs.values())


def test_images_defaults_resources_and_retries_are_those_of_the_config(tmp_path):
    override = ["cluster.steps.train.memory_limit=8Gi", "cluster.retry.times=4", "train.n_estimators=7"]
    compile_training(load("music_genres", override), tmp_path / "train.yaml", registry="localhost:5001")
    spec = yaml.safe_load((tmp_path / "train.yaml").read_text())
    containers = {label: one["container"] for label, one in spec["deploymentSpec"]["executors"].items()}
    for step in set(STEPS) - {"tsne"}:
        container = containers[f"exec-{step.replace('_', '-')}"]
        assert container["image"] == image_of(step, registry="localhost:5001")
        assert container["resources"]["resourceMemoryLimit"] == ("8Gi" if step == "train" else "4Gi")
    assert {task["retryPolicy"]["maxRetryCount"] for task in spec["root"]["dag"]["tasks"].values()} == {4}
    train = spec["root"]["inputDefinitions"]["parameters"]["train"]
    assert json.loads(train["defaultValue"])["n_estimators"] == 7


def test_settings_for_a_step_that_does_not_exist_are_refused(tmp_path):
    with pytest.raises(Refusal, match="did you mean 'train'"):
        compile_training(load("music_genres", ["cluster.steps.trian.cpu_limit=2"]), tmp_path / "train.yaml")
    assert not (tmp_path / "train.yaml").exists()
