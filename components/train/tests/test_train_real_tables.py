"""What the models of the shipped configs reach on the real tables, made ready here as the steps before do."""

import pandas as pd
from sklearn.model_selection import train_test_split

from components.common.config.train import TrainArgument
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
    fit, validation, test = splits
    model = train(section, fit, validation).pipeline
    truth = target_values(test, section.target, section.task, "test split")
    return scored(truth, ask(model, test), classes_of(model[-1])).values


def test_music_reaches_an_auc_of_0_952(real_table):
    table = real_table("genres_mod.parquet").drop_duplicates(ignore_index=True).fillna({"title": "", "song_name": ""})
    section = TrainArgument.model_validate(
        {
            "target": "genre",
            "task": "classification",
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
    assert reached(section, dealt(table, "genre"))["auc_macro_ovo"] >= 0.952


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
    assert scores["r2"] >= 0.565 and scores["mae"] <= 33.8
