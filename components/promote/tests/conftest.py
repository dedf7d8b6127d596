import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from components.common.config.promote import PromoteArgument

TARGETS = {"classification": "kind", "regression": "price"}


def houses(rows=600, seed=0, north_off=False):
    """Houses by size and rooms; in the north, if asked, sizes were measured badly."""
    random = np.random.default_rng(seed)
    size = random.uniform(40, 300, rows)
    place = random.choice(["north", "south", "west"], rows, p=[0.3, 0.65, 0.05])
    table = pd.DataFrame(
        {
            "size": np.where((place == "north") & north_off, random.uniform(40, 300, rows), size),
            "rooms": (size // 40).round(),
            "place": place,
            "price": size * 3,
            "kind": np.where(size > 200, "villa", np.where(size > 90, "house", "hut")),
        }
    )
    table.loc[random.random(rows) < 0.3, "rooms"] = None
    return table


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """Trains and saves a model with MLflow's signature; returns its folder. Equal arguments give the same folder."""

    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    known = {}

    def save(task="classification", columns=("size",), depth=8, rows=600, kinds=None, seed=0, change=lambda t: t):
        key = (task, columns, depth, rows, kinds, seed, change)
        if key not in known:
            table = change(houses(rows, seed))
            target = TARGETS[task]
            if kinds:
                table = table[table["kind"].isin(kinds)]
            tree = DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor
            features = ColumnTransformer([("numbers", SimpleImputer(), list(columns))])
            model = Pipeline([("features", features), ("model", tree(max_depth=depth, random_state=0))])
            folder = tmp_path_factory.mktemp("models") / "model"
            inputs = Schema([ColSpec("double", name, required=name != "rooms") for name in columns])
            answer = Schema([ColSpec("string" if task == "classification" else "double")])
            mlflow.sklearn.save_model(
                model.fit(table, table[target]),
                str(folder),
                signature=ModelSignature(inputs, answer),
                pip_requirements=[],
                skops_trusted_types=[],
                serialization_format="cloudpickle",
            )
            known[key] = str(folder)
        return known[key]

    return save


@pytest.fixture
def section():
    """Makes the step's argument."""

    def make(task="classification", **changes):
        given = {"use_case": "houses", "target": TARGETS[task], "task": task, "slices": ["place"], "resamples": 200}
        return PromoteArgument(**{**given, **changes})

    return make


@pytest.fixture(scope="session")
def test_rows():
    return houses(500, seed=1)


@pytest.fixture(scope="session")
def make_houses():
    """Makes a table."""
    return houses
