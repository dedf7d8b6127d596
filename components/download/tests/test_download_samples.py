import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn import datasets
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from components.common.base.errors import Refusal
from components.common.tables.parquet import read_table
from components.download.download import download_file
from components.download.samples import BUNDLED, GENERATED

REAL = Path(os.environ.get("TABPIPE_SHARED_DATA", Path(__file__).resolve().parents[3].parent / "shared" / "data"))


@pytest.fixture
def sample(tmp_path):
    def make(name):
        done = download_file({"source": f"sample://{name}"}, "", tmp_path / name)
        return done, read_table(tmp_path / name)

    return make


@pytest.mark.parametrize("name", GENERATED + BUNDLED)
def test_a_sample_has_the_same_bytes_each_time(sample, tmp_path, name):
    done, _ = sample(name)
    first = (tmp_path / name).read_bytes()
    sample(name)
    assert (tmp_path / name).read_bytes() == first
    assert (done.checksum, done.format, done.generated) == (f"sample:{name}", "sample", name in GENERATED)


@pytest.mark.parametrize(
    ("name", "real"), [("music_genres", "genres_mod.parquet"), ("nyc_rentals", "nyc_airbnb_sample1.csv")]
)
def test_a_generated_table_has_the_schema_of_the_real_one(sample, name, real):
    if not (REAL / real).is_file():
        pytest.skip(f"the real table {real} is not on this machine")
    table = pd.read_csv(REAL / real) if real.endswith("csv") else pd.read_parquet(REAL / real)
    _, made = sample(name)
    assert made.dtypes.to_dict() == table.dtypes.to_dict() and list(made) == list(table)
    columns = [column for column in table if table[column].isna().mean() > 0.01]
    assert [column for column in made if made[column].isna().mean() > 0.01] == columns
    assert (made[columns].isna().mean() - table[columns].isna().mean()).abs().max() < 0.05
    rows = set(map(tuple, table.astype(str).to_numpy()))
    assert not rows & set(map(tuple, made.astype(str).to_numpy())), "no row is a real one"


def test_the_music_is_learnable_but_not_perfectly(sample):
    _, table = sample("music_genres")
    assert len(table) == 20_000 and table.duplicated().sum() == 400 and table.genre.nunique() == 15
    assert table.genre.value_counts().idxmin() == "Pop"
    table = table.drop_duplicates()
    table["text"] = table.title.fillna("") + " " + table.song_name.fillna("")
    numbers = table.select_dtypes("number").columns
    train, test = train_test_split(table, test_size=0.3, random_state=42, stratify=table.genre)
    model = make_pipeline(
        make_column_transformer((SimpleImputer(), numbers), (TfidfVectorizer(max_features=10, binary=True), "text")),
        RandomForestClassifier(60, max_depth=13, random_state=42, n_jobs=2),
    ).fit(train, train.genre)
    auc = roc_auc_score(test.genre, model.predict_proba(test), multi_class="ovo")
    assert 0.93 < auc < 0.97


def test_the_music_keeps_to_the_ranges_of_audio_features(sample):
    _, table = sample("music_genres")
    ranges = {
        "loudness": (-35, 5),
        "tempo": (50, 250),
        "duration_ms": (20_000, 1_000_000),
        "time_signature": (1, 5),
        "key": (0, 11),
    }
    for column in table.select_dtypes("number"):
        low, high = ranges.get(column, (0, 1))
        assert table[column].dropna().between(low, high).all(), column


def test_the_rentals_are_learnable_but_not_perfectly(sample):
    _, table = sample("nyc_rentals")
    assert len(table) == 12_000 and table.id.is_unique
    inside = table.price.between(10, 350) & table.longitude.between(-74.25, -73.5) & table.latitude.between(40.5, 41.2)
    assert 100 < (~inside).sum() < 1500 and (table.latitude < 40.5).sum() > 0 and (table.price < 10).sum() > 0
    assert (table.last_review.isna() == table.reviews_per_month.isna()).all()
    assert (table.groupby("host_id").size() == table.groupby("host_id").calculated_host_listings_count.first()).all()
    table = table[inside]
    features = pd.get_dummies(table[["neighbourhood_group", "room_type"]]).join(
        table[["latitude", "longitude", "minimum_nights", "availability_365", "calculated_host_listings_count"]]
    )
    x, x_test, y, y_test = train_test_split(features, table.price, test_size=0.3, random_state=42)
    model = RandomForestRegressor(40, max_depth=15, random_state=42, n_jobs=2).fit(x, y)
    assert 0.5 < model.score(x_test, y_test) < 0.75


@pytest.mark.parametrize(
    ("name", "load", "target"),
    [
        ("iris", datasets.load_iris, "species"),
        ("wine", datasets.load_wine, "cultivar"),
        ("diabetes", lambda: datasets.load_diabetes(scaled=False), "progression"),
    ],
)
def test_a_bundled_table_is_that_of_scikit_learn(sample, name, load, target):
    _, table = sample(name)
    bunch = load()
    np.testing.assert_array_equal(table.drop(columns=target).to_numpy(), bunch.data)
    expected = bunch.target_names[bunch.target] if "target_names" in bunch else bunch.target
    assert table[target].tolist() == expected.tolist()


def test_an_unknown_sample_is_refused_with_the_nearest(sample):
    with pytest.raises(Refusal, match="did you mean 'music_genres'"):
        sample("musik_genres")


def test_the_music_is_made_quickly(sample, tmp_path):
    sample("music_genres")
    started = time.process_time()  # what others compute meanwhile is not its fault
    sample("music_genres")
    assert time.process_time() - started < 0.5, "0.05 s on an idle machine"
    assert pq.read_metadata(tmp_path / "music_genres").num_columns == 17
