"""What the models of the shipped configs reach on the real tables, made ready here as the steps before do."""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from components.common.config.train import TrainArgument
from components.common.inference.intervals import Intervals
from components.common.inference.sklearn_predict import ask, classes_of
from components.common.metrics.scores import scored
from components.common.metrics.targets import target_values
from components.train.train import train

AUDIO = [
    "danceability",
    "energy",
    "key",
    "loudness",
    "mode",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "duration_ms",
    "time_signature",
]
COUNTS = [
    "latitude",
    "longitude",
    "minimum_nights",
    "number_of_reviews",
    "reviews_per_month",
    "calculated_host_listings_count",
    "availability_365",
]


def dealt(table, strata):
    """The training, validation and test split."""
    rest, test = train_test_split(table, test_size=0.3, random_state=42, stratify=table[strata])
    fit, validation = train_test_split(rest, test_size=0.3, random_state=42, stratify=rest[strata])
    return fit, validation, test


def reached(section, splits):
    """The scores on the test split, and the share of its rows that the model's 90 % intervals or sets hold for."""
    fit, validation, test = splits
    trained = train(section, fit, validation)
    model, classes = trained.pipeline, classes_of(trained.pipeline[-1])
    truth = target_values(test, section.target, section.task, "test split")
    found, intervals = ask(model, test), Intervals(trained.intervals, classes)
    if classes is None:
        low, high = intervals.bounds(found.predicted).T
        inside = (low <= truth) & (truth <= high)
    else:
        inside = intervals.members(found.probabilities)[np.arange(len(truth)), [classes.index(one) for one in truth]]
    return scored(truth, found, classes).values | {"coverage": inside.mean()}


def test_music_reaches_an_auc_of_0_952(real_table):
    table = real_table("genres_mod.parquet").drop_duplicates(ignore_index=True).fillna({"title": "", "song_name": ""})
    section = TrainArgument.model_validate(
        {
            "target": "genre",
            "task": "classification",
            "intervals": 0.9,
            "columns": {
                **dict.fromkeys(AUDIO, "numerical"),
                "genre": "categorical",
                "song_name": "text",
                "title": "text",
            },
            "derive": {"text_feature": {"join": ["title", "song_name"]}},
            "model": "random_forest",
            "n_estimators": 100,
            "max_depth": 20,
            "min_samples_leaf": 4,
            "class_weight": "balanced",
            "features": {"text": {"max_features": 20}},
        }
    )
    scores = reached(section, dealt(table, "genre"))
    assert scores["auc_macro_ovo"] >= 0.952 and 0.88 <= scores["coverage"] <= 0.92


def test_rentals_reach_an_r2_of_0_565_and_an_mae_of_33_8(real_table):
    table = real_table("nyc_airbnb_sample1.csv").drop_duplicates()
    inside = {"price": (10, 350), "longitude": (-74.25, -73.50), "latitude": (40.5, 41.2)}
    for name, bounds in inside.items():
        table = table[table[name].between(*bounds)]
    table = table.assign(last_review=pd.to_datetime(table["last_review"]))
    section = TrainArgument.model_validate(
        {
            "target": "price",
            "task": "regression",
            "intervals": 0.9,
            "columns": {
                "name": "text",
                "neighbourhood_group": "categorical",
                "neighbourhood": "categorical",
                "room_type": "categorical",
                **dict.fromkeys(COUNTS, "numerical"),
                "last_review": "date",
                "price": "numerical",
            },
            "model": "random_forest",
            "n_estimators": 100,
            "max_depth": 20,
            "min_samples_leaf": 2,
            "max_features": 0.33,
            "features": {"text": {"max_features": 200}, "categorical": {"encode": "ordinal"}},
        }
    )
    scores = reached(section, dealt(table, "neighbourhood_group"))
    assert scores["r2"] >= 0.565 and scores["mae"] <= 33.8 and 0.88 <= scores["coverage"] <= 0.92
