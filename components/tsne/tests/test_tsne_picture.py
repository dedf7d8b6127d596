import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from components.common.base.errors import Refusal
from components.common.config.tsne import TsneArgument
from components.common.tables.parquet import write_table
from components.tsne.component import tsne as tsne_step
from components.tsne.tsne import embed, tsne_file


def iris():
    table = load_iris(as_frame=True).frame
    return table.assign(target=table["target"].map({0: "setosa", 1: "versicolor", 2: "virginica"}))


KINDS = dict.fromkeys(iris().columns[:4], "numerical") | {"target": "categorical"}
SECTION = {"target": "target", "task": "classification", "kinds": KINDS, "perplexity": 20, "rows": 90}


@pytest.fixture
def path(tmp_path):
    write_table(iris(), tmp_path / "table")
    return tmp_path / "table"


def test_alike_rows_lie_near_each_other():
    rows, positions = embed(TsneArgument(**SECTION), iris())
    setosa = iris()["target"].to_numpy()[rows] == "setosa"
    centre = positions[setosa].mean(axis=0)
    near = np.linalg.norm(positions - centre, axis=1)
    assert len(rows) == 90 and near[setosa].max() < near[~setosa].min()


def test_the_same_table_and_seed_give_the_same_page(path, tmp_path):
    pages = []
    for _ in range(2):
        assert tsne_file(SECTION, str(path), str(tmp_path / "page")) == {"rows": 90, "columns": 4}
        pages.append((tmp_path / "page").read_bytes())
    assert pages[0] == pages[1] and b"setosa" in pages[0] and b"90 of 150 rows" in pages[0]


def test_missing_values_and_constant_columns_are_drawn():
    table = iris().assign(constant=1.0)
    table.iloc[::7, 0] = np.nan
    section = TsneArgument(**{**SECTION, "kinds": {**KINDS, "constant": "numerical"}, "rows": 60})
    assert np.isfinite(embed(section, table)[1]).all()


@pytest.mark.parametrize(
    ("change", "section", "problem"),
    [
        (lambda t: t, {"perplexity": 90}, "less than the number of rows drawn, 90"),
        (lambda t: t.head(15), {}, "less than the number of rows drawn, 15"),
        (lambda t: t, {"kinds": {"target": "categorical"}}, "no numerical column to lay rows out by"),
        (lambda t: t, {"columns": []}, "no numerical column to lay rows out by"),
        (lambda t: t, {"columns": ["sepal width"]}, "did you mean 'sepal width"),
        (lambda t: t.drop(columns="petal width (cm)"), {}, "is missing"),
        (lambda t: t.drop(columns="target"), {}, "is missing"),
        (lambda t: t.assign(**{"petal width (cm)": np.inf}), {}, "infinite"),
        (lambda t: t.assign(**{"petal width (cm)": np.nan}), {}, "has no value in any row"),
        (lambda t: t.assign(**{"petal width (cm)": "wide"}), {}, "is no number"),
    ],
    ids=[
        "perplexity",
        "few-rows",
        "no-numbers",
        "no-columns",
        "misspelt",
        "absent",
        "no-target",
        "infinite",
        "empty",
        "text",
    ],
)
def test_what_cannot_be_drawn_is_refused(change, section, problem):
    with pytest.raises(Refusal, match=problem):
        embed(TsneArgument(**{**SECTION, **section}), change(iris()))


def test_the_step_leaves_a_picture_coloured_by_a_number(tmp_path, monkeypatch):
    from kfp import dsl

    monkeypatch.setenv("TABPIPE_TRACKING_SPOOL", str(tmp_path / "record.json"))
    table = iris().rename(columns={"petal width (cm)": "width"})
    write_table(table, tmp_path / "table")
    kinds = dict.fromkeys(table.columns[:4], "numerical")
    tsne_step.python_func(
        section=json.dumps({**SECTION, "target": "width", "task": "regression", "kinds": kinds, "rows": 60}),
        table=dsl.Dataset(name="table", uri=str(tmp_path / "table"), metadata={"digest": "d", "rows": 150}),
        picture=dsl.HTML(name="picture", uri=str(tmp_path / "picture"), metadata={}),
    )
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["status"] == "FINISHED" and record["files"] == [[str(tmp_path / "picture"), "reports", "tsne.html"]]
    assert "coloured by width" in (tmp_path / "picture").read_text()
    assert pd.read_parquet(tmp_path / "table").shape == (150, 5)
