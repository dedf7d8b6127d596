"""The saved folder: it loads with nothing of the project, and accepts what a request looks like."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from components.common.artifacts import digest_of
from components.common.base.packages import MODEL
from components.common.inference.sklearn_predict import ask
from components.train.saving import requirements, save_model
from components.train.shipped import shipped
from components.train.tests.trees import section
from components.train.train import train

ROOT = Path(__file__).resolve().parents[3]

AGAIN = """
import sys
import mlflow.sklearn
sys.path.insert(0, sys.argv[2])
from components.train.tests.test_saved_model import saved
from components.train.tests.trees import section, trees
from components.train.train import train
for folder in sys.argv[3:]:
    mlflow.sklearn.load_model(folder)
print(saved(train(section().model_copy(update={"refit": False}), trees(), trees(120, 1)), trees(), sys.argv[1]))
"""
ALONE = """
import json, sys
try:
    import components
except ImportError:
    pass
else:
    sys.exit("the project can be imported, so this proves nothing")
import mlflow.pyfunc
import pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = pd.read_json(sys.argv[2], orient="records", dtype=False, convert_dates=False)
print(json.dumps(model.predict(rows.astype({"girth": float, "height": float})).tolist()))
"""


def saved(trained, table, folder, task="classification"):
    return save_model(
        trained.pipeline,
        folder,
        raw=trained.plan.raw,
        optional=trained.optional,
        table=table,
        task=task,
        metadata={"task": task},
    )


@pytest.fixture(scope="module")
def trained(table, held_out):
    return train(section().model_copy(update={"refit": False}), table, held_out)  # whose answers are those of the saved


@pytest.fixture(scope="module")
def folder(trained, table, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model"
    saved(trained, table, path)
    return path


def answered(folder, request):
    """What a server does with a request: read it by the signature, then ask."""

    import mlflow.pyfunc
    from mlflow.utils.proto_json_utils import dataframe_from_parsed_json

    model = mlflow.pyfunc.load_model(str(folder))
    ((orient, rows),) = json.loads(request).items()
    orient = orient.removeprefix("dataframe_")
    return model.predict(dataframe_from_parsed_json(rows, orient, model.metadata.get_input_schema()))


@pytest.mark.run
def test_it_loads_and_answers_where_the_project_is_not(folder, trained, held_out, tmp_path):
    rows = held_out.head(8)[list(trained.plan.raw)].assign(seen=lambda t: t["seen"].dt.strftime("%Y-%m-%d"))
    rows.to_json(tmp_path / "rows.json", orient="records")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    command = [sys.executable, "-c", ALONE, str(folder), str(tmp_path / "rows.json")]
    done = subprocess.run(command, cwd=tmp_path, env={**environment, "PYTHONPATH": ""}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ask(trained.pipeline, held_out).predicted[:8].tolist()


@pytest.mark.run
@pytest.mark.parametrize("before", [0, 1], ids=["new", "that has loaded a model before"])
def test_the_bytes_are_the_same_in_another_process(folder, tmp_path, before):
    command = [sys.executable, "-c", AGAIN, str(tmp_path / "again"), str(ROOT), *[str(folder)] * before]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == digest_of(folder)


def test_it_names_no_file_of_the_machine(folder):
    content = (folder / "model.pkl").read_bytes()
    assert b"tabpipe_transformers" in content
    assert b"site-packages" not in content and b"components" not in content and os.fsencode(ROOT) not in content


def test_the_loaded_model_answers_as_the_trained_one(folder, trained, held_out):
    import mlflow.sklearn

    found = ask(mlflow.sklearn.load_model(str(folder)), held_out)
    np.testing.assert_array_equal(found.probabilities, ask(trained.pipeline, held_out).probabilities)


def test_it_has_a_signature_an_example_and_exact_requirements(folder, trained, table):
    from mlflow.models import Model

    described = Model.load(str(folder))
    inputs = {column.name: (str(column.type), column.required) for column in described.signature.inputs}
    assert inputs == {
        "girth": ("Any", False),
        "height": ("Any", True),
        "bark": ("Any", False),
        "place": ("Any", True),
        "note": ("DataType.string", False),
        "by": ("DataType.string", False),
        "seen": ("Any", False),
    }
    assert [column.type.name for column in described.signature.outputs] == ["string"]
    example = described.load_input_example(str(folder))
    assert len(example) == 2 and example["girth"].tolist() == pytest.approx(table["girth"].head(2).tolist())
    lines = (folder / "requirements.txt").read_text().split()
    assert [line.split("==")[0] for line in lines] == list(MODEL) and all("==" in line for line in lines)


def test_the_packages_of_its_own_parts_are_among_its_requirements(trained):
    from pydantic import BaseModel

    class Scale(BaseModel):
        factor: float = 1.0

    Scale.__module__ = "pydantic.main"
    with_another = Pipeline([*trained.pipeline.steps[:-1], ("scale", Scale()), trained.pipeline.steps[-1]])
    assert requirements(with_another) == [*MODEL, "pydantic"]


def test_the_example_is_a_request_that_the_model_answers(folder, trained, table):
    answer = answered(folder, (folder / "serving_input_example.json").read_text())
    assert answer.tolist() == trained.pipeline.predict(table.head(2)).tolist()


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, True),
        ({"girth": None, "bark": None, "note": None, "seen": None}, True),
        ({"girth": ..., "bark": ..., "note": ..., "by": ..., "seen": ...}, True),
        ({"bark": "never seen"}, True),
        ({"seen": "2026-03-01T10:00:00Z"}, True),
        ({"height": ...}, False),
        ({"girth": "thick"}, False),
    ],
    ids=["integers", "null", "optional-absent", "unknown-category", "date-with-time", "required-absent", "wrong-type"],
)
def test_requests_as_json(folder, change, accepted):
    row = {"girth": 120, "height": 9, "bark": "oak", "place": "hill", "note": "old", "by": "Bo", "seen": "2026-03-01"}
    row = {name: value for name, value in {**row, **change}.items() if value is not ...}
    request = json.dumps({"dataframe_records": [row, row]})
    if accepted:
        assert len(answered(folder, request)) == 2
    else:
        with pytest.raises(Exception, match=r"height|girth"):
            answered(folder, request)


def test_a_regressor_answers_numbers(table, held_out, make_section, tmp_path):
    import mlflow.pyfunc
    from mlflow.models import Model

    trained = train(make_section("regression").model_copy(update={"refit": False}), table, held_out)
    saved(trained, table, tmp_path / "model", "regression")
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    rows = held_out[list(trained.plan.raw)].astype({"height": float})
    found = model.predict(rows.assign(seen=rows["seen"].dt.strftime("%Y-%m-%d")))
    np.testing.assert_array_equal(np.asarray(found), ask(trained.pipeline, held_out).predicted)
    assert [column.type.name for column in Model.load(str(tmp_path / "model")).signature.outputs] == ["double"]


def test_saving_again_replaces_the_folder_and_a_failure_leaves_the_old_one(trained, table, tmp_path, monkeypatch):
    saved(trained, table, tmp_path / "model")
    before = sorted(os.listdir(tmp_path / "model"))
    saved(trained, table, tmp_path / "model")
    assert sorted(os.listdir(tmp_path / "model")) == before

    class Unwritable:
        def __reduce__(self):
            raise OSError(28, "No space left on device")

    broken = Pipeline([("features", trained.pipeline.named_steps["features"]), ("model", Unwritable())])
    with pytest.raises(OSError, match="No space left"):
        save_model(
            broken,
            tmp_path / "model",
            raw=trained.plan.raw,
            optional=trained.optional,
            table=table,
            task="classification",
            metadata={},
        )
    assert os.listdir(tmp_path) == ["model"] and sorted(os.listdir(tmp_path / "model")) == before


def test_models_of_different_transformers_do_not_share_classes():
    one, other = shipped(), shipped()
    assert one.Columns is not other.Columns
    frame = pd.DataFrame({"x": [1]})
    assert (
        one.Columns({"x": "numerical"}, ["x"])
        .transform(frame)
        .equals(other.Columns({"x": "numerical"}, ["x"]).transform(frame))
    )
