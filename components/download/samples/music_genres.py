"""A made-up table of music tracks: audio features, a title, and the genre. No row describes a real track.

Every genre has invented typical values; one track in twenty sounds like another genre, so that no model is perfect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from components.download.samples.data import columns as columns_of
from components.download.samples.music_words import song_names, titles

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 20_000
DUPLICATES = 400
SEED = 20
ATYPICAL = 0.05
"""Share of the tracks that sound like another genre."""
LOUDNESS_MISSING = 0.21


def make() -> pa.Table:
    """Makes the table: 20,000 rows, 17 columns, about 2% of the rows twice, the same each time."""
    import pyarrow as pa

    rng = np.random.default_rng(SEED)
    count = ROWS - DUPLICATES
    genres = columns_of("music_genres.csv")
    names, shares = genres["name"], genres["share"] / genres["share"].sum()
    label = rng.choice(len(names), count, p=shares)
    sound = np.where(rng.random(count) < ATYPICAL, rng.choice(len(names), count, p=shares), label)

    def typical(feature: str) -> np.ndarray:
        return genres[feature][sound]

    def around(mean: np.ndarray, concentration: float) -> np.ndarray:
        """Draws from beta distributions: between 0 and 1 with these means."""
        return rng.beta(mean * concentration, (1 - mean) * concentration)

    def chosen(values: list[int], weights: list[float]) -> np.ndarray:
        return rng.choice(values, count, p=np.array(weights) / sum(weights))

    half_time = np.where(rng.random(count) < 0.04, 0.5, 1.0)
    silent = rng.random(count) < typical("instrumental")
    features = {
        "danceability": np.round(around(typical("danceability"), 22), 3),
        "energy": np.round(around(typical("energy"), 16), 3),
        "key": chosen(list(range(12)), [10, 17, 8, 3, 7, 8, 9, 10, 9, 8, 7, 10]),
        "loudness": np.round(np.clip(rng.normal(typical("loudness"), 2.2), -34, 3), 3),
        "mode": (rng.random(count) < typical("major")).astype("int64"),
        "speechiness": np.round(np.clip(around(typical("speechiness"), 14), 0.022, 0.96), 4),
        "acousticness": np.round(around(typical("acousticness"), 2.5), 5),
        "instrumentalness": np.round(np.where(silent, rng.beta(6, 2, count), rng.beta(0.15, 6, count)), 6),
        "liveness": np.round(np.clip(rng.beta(1.6, 5.6, count), 0.01, 0.99), 4),
        "valence": np.round(np.clip(around(typical("valence"), 6), 0.02, 0.98), 4),
        "tempo": np.round(np.clip(rng.normal(typical("tempo"), typical("tempo_spread")) * half_time, 56, 222), 3),
        "duration_ms": np.clip(typical("minutes") * 60_000 * rng.lognormal(0, 0.24, count), 25_000, 950_000),
        "time_signature": chosen([1, 3, 4, 5], [0.5, 2.5, 96, 1]),
    }
    features["duration_ms"] = features["duration_ms"].astype("int64")
    features["loudness"][rng.random(count) < LOUDNESS_MISSING] = np.nan

    electronic = genres["in_mixes"].astype(bool)[label]
    named, titled = ~electronic | (rng.random(count) < 0.005), electronic & (rng.random(count) > 0.02)
    columns = {name: pa.array(values, from_pandas=True) for name, values in features.items()}
    columns["genre"] = pa.array(names).take(pa.array(label))
    columns["song_name"] = song_names(rng, genres, label, named)
    columns["title"] = titles(rng, genres, label, titled)
    columns["type"] = pa.array(["audio_features"]).take(pa.array(np.zeros(count, "int64")))

    rows = rng.permutation(np.concatenate([np.arange(count), rng.choice(count, DUPLICATES, replace=False)]))
    order = [*list(features)[:11], "type", "duration_ms", "time_signature", "genre", "song_name", "title"]
    return pa.table({name: columns[name] for name in order}).take(pa.array(rows)).combine_chunks()
