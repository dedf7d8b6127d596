"""The tracking store of a new home: a copy of an empty one, which is what MLflow itself would have built."""

import sqlite3
import sys

import pytest

from tabpipe.tracking import mlflow_store

pytestmark = pytest.mark.run


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("TABPIPE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def contents(file):
    """All that a store holds but times; MLflow writes the constraints of a table in any order."""
    with sqlite3.connect(file) as connection:
        tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        rows = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name, _ in tables}
    rows["experiments"] = [
        [value for value in row if not isinstance(value, int) or value < 10**9] for row in rows["experiments"]
    ]
    return [(name, sorted(line.strip(" ,\t)") for line in sql.splitlines())) for name, sql in tables], rows


def test_a_copied_store_is_what_mlflow_builds(home, tmp_path):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    mlflow_store.ensure_store()
    assert list((tmp_path / "environment").rglob("mlflow-*.db"))
    built = tmp_path / "built.db"
    SqlAlchemyStore(f"sqlite:///{built}", (home / "mlartifacts").as_uri())._dispose_engine()
    assert contents(home / "mlflow.db") == contents(built)


def test_two_homes_share_nothing(home, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    mlflow_store.ensure_store()
    first = MlflowClient(mlflow_store.tracking_uri())
    first.create_run(first.create_experiment("theirs"))
    monkeypatch.setenv("TABPIPE_HOME", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    mlflow_store.ensure_store()
    second = MlflowClient(mlflow_store.tracking_uri())
    assert [one.name for one in second.search_experiments()] == ["Default"]
    assert second.get_experiment("0").artifact_location == (tmp_path / "other" / "mlartifacts" / "0").as_uri()


@pytest.mark.parametrize("where", ["no environment of its own", "cannot be written"])
def test_without_a_place_for_the_empty_one_a_store_is_built_all_the_same(home, tmp_path, monkeypatch, where):
    from mlflow import MlflowClient

    if where == "cannot be written":
        (tmp_path / "environment").write_text("a file where a folder should be")
    else:
        monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    mlflow_store.ensure_store()
    assert [one.name for one in MlflowClient(mlflow_store.tracking_uri()).search_experiments()] == ["Default"]
    assert not list(tmp_path.rglob("mlflow-*.db"))
