from types import SimpleNamespace

import pandas as pd
import pytest

from components.common.artifacts import open_store
from components.common.registry import model_name
from components.common.registry.model_ref import mark_of, version_of
from components.common.tables.parquet import write_table
from components.predict.predict import predict_file
from components.train.tests.trees import section, trees


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """Trains a model of trees by the step train and stores it; returns store, address, mark and the model's folder."""
    made = {}

    def train(task="classification"):
        if task not in made:
            from components.train.train import train_file

            folder = tmp_path_factory.mktemp(task)
            write_table(trees(), folder / "train")
            write_table(trees(120, 1), folder / "validation")
            argument = section(task).model_dump(mode="json")
            train_file(argument, folder / "train", folder / "validation", folder / "model", folder / "report")
            store = open_store(folder / "artifacts")
            store.put(model_name("trees"), folder / "model")
            mark = mark_of(version_of(store, "trees", "v0"))
            made[task] = SimpleNamespace(
                store=store, url=str(folder / "artifacts"), mark=mark, model=str(folder / "model")
            )
        return made[task]

    return train


@pytest.fixture
def answer(stored, tmp_path, monkeypatch):
    """Lets the step answer a table; returns its counts, the two tables that it writes, and the text of its report."""

    def run(table, task="classification", **changes):
        monkeypatch.setenv("TABPIPE_ARTIFACTS", stored(task).url)
        write_table(table, tmp_path / "table")
        predictions, rejects, report = (str(tmp_path / name) for name in ("predictions", "rejects", "report"))
        heard = []
        counts = predict_file(
            {"use_case": "trees", **changes},
            stored(task).mark,
            str(tmp_path / "table"),
            predictions,
            rejects,
            report,
            heard.append,
        )
        return SimpleNamespace(
            counts=counts,
            predictions=pd.read_parquet(predictions),
            rejects=pd.read_parquet(rejects),
            report=(tmp_path / "report").read_text(),
            heard=heard,
        )

    return run
