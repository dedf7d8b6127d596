import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge

from components.train.importance import importance


def test_a_column_of_noise_with_many_values_matters_less_than_one_that_tells():
    random = np.random.default_rng(0)
    told = random.integers(0, 2, 600)
    features = np.column_stack([random.random(600), told])
    truth = np.where(random.random(600) < 0.8, told, 1 - told).astype(str)
    forest = RandomForestClassifier(30, random_state=0).fit(features[:300], truth[:300])
    assert forest.feature_importances_.argmax() == 0, "the forest's own measure is upside down"
    found = importance(forest, ["noise", "told"], features[300:], truth[300:], seed=0)
    assert list(found.columns) == ["told", "noise"] and found.columns["noise"] < found.columns["told"] / 3


def test_features_of_one_column_are_dealt_together():
    random = np.random.default_rng(0)
    kind = random.integers(0, 3, 400)
    features = np.column_stack([kind == 0, kind == 1, kind == 2, random.random(400)]).astype(float)
    model = Ridge().fit(features, 10 * kind)
    found = importance(model, ["kind", "kind", "kind", "other"], features, 10.0 * kind, seed=0).columns
    assert list(found) == ["kind", "other"] and found["kind"] == pytest.approx(np.sqrt(2) * np.std(10 * kind), rel=0.1)


def test_of_very_many_columns_those_that_matter_are_found_by_few_questions():
    features = np.random.default_rng(0).normal(size=(200, 2000))
    truth = 5 * features[:, 7] - 3 * features[:, 1234] + features[:, 1999]
    asked = []

    class Counted(Ridge):
        def predict(self, features):
            asked.append(len(features))
            return super().predict(features)

    model = Counted().fit(features[:2], truth[:2])
    model.coef_ = np.zeros(2000)
    model.coef_[[7, 1234, 1999]] = 5, -3, 1
    found = importance(model, [f"f{at}" for at in range(2000)], features, truth, seed=0)
    assert list(found.columns)[:3] == ["f7", "f1234", "f1999"]
    assert len(asked) < 500 and len(found.columns) + found.others == 2000 and found.rest == pytest.approx(0)


def test_two_looks_are_equal():
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(100, 3)))
    model = Ridge().fit(table.to_numpy(), table[0])
    looks = [importance(model, ["a", "b", "c"], table.to_numpy(), table[0].to_numpy(), seed=3) for _ in range(2)]
    assert looks[0] == looks[1]
