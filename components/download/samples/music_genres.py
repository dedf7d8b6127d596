"""A made-up table of music tracks: audio features, a title, and the genre. No row describes a real track.

Every genre has invented typical values; one track in twenty sounds like another genre, so that no model is perfect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from components.download.samples.music_words import song_names, titles

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 20_000
DUPLICATES = 400
SEED = 20
ATYPICAL = 0.05
"""Share of the tracks that sound like another genre."""
LOUDNESS_MISSING = 0.21


class Genre(NamedTuple):
    """What tracks of a genre are like on average."""

    name: str
    share: float
    """Relative frequency."""
    danceability: float
    energy: float
    loudness: float
    """dB."""
    major: float
    """Share in a major key."""
    speechiness: float
    acousticness: float
    instrumental: float
    """Share of tracks without a voice."""
    valence: float
    tempo: float
    """Beats per minute."""
    tempo_spread: float
    minutes: float


GENRES = (
    Genre("Underground Rap", 13, 0.72, 0.64, -7.2, 0.54, 0.22, 0.17, 0.03, 0.46, 142, 25, 2.6),
    Genre("Dark Trap", 11, 0.61, 0.60, -8.3, 0.51, 0.13, 0.16, 0.38, 0.23, 142, 22, 2.7),
    Genre("Hiphop", 8, 0.75, 0.62, -7.0, 0.56, 0.25, 0.18, 0.01, 0.55, 112, 26, 3.8),
    Genre("trance", 7, 0.55, 0.86, -6.6, 0.46, 0.05, 0.02, 0.70, 0.24, 137, 4, 6.2),
    Genre("techhouse", 7, 0.80, 0.84, -7.6, 0.52, 0.08, 0.03, 0.66, 0.48, 126, 3, 5.3),
    Genre("dnb", 7, 0.54, 0.89, -4.9, 0.51, 0.09, 0.02, 0.45, 0.30, 174, 3, 4.7),
    Genre("trap", 7, 0.58, 0.85, -4.6, 0.49, 0.14, 0.05, 0.30, 0.28, 147, 13, 3.4),
    Genre("techno", 7, 0.70, 0.77, -9.6, 0.49, 0.06, 0.05, 0.92, 0.20, 129, 6, 6.6),
    Genre("psytrance", 7, 0.62, 0.93, -7.4, 0.55, 0.07, 0.01, 0.85, 0.26, 144, 5, 7.3),
    Genre("hardstyle", 7, 0.46, 0.91, -4.4, 0.55, 0.10, 0.03, 0.12, 0.26, 152, 5, 3.9),
    Genre("RnB", 5, 0.65, 0.55, -7.2, 0.52, 0.12, 0.28, 0.01, 0.45, 116, 30, 3.8),
    Genre("Trap Metal", 5, 0.67, 0.78, -4.8, 0.54, 0.21, 0.10, 0.06, 0.38, 148, 24, 2.3),
    Genre("Rap", 4, 0.70, 0.72, -5.8, 0.60, 0.24, 0.13, 0.00, 0.56, 120, 30, 4.2),
    Genre("Emo", 4, 0.47, 0.78, -5.2, 0.66, 0.07, 0.09, 0.02, 0.45, 140, 27, 3.7),
    Genre("Pop", 1, 0.66, 0.70, -5.4, 0.64, 0.08, 0.17, 0.01, 0.56, 119, 23, 3.5),
)
ELECTRONIC = ("trance", "techhouse", "dnb", "trap", "techno", "psytrance", "hardstyle")
"""Genres whose tracks stand under the title of a mix rather than under their own name."""


def make() -> pa.Table:
    """Makes the table: 20,000 rows, 17 columns, about 2% of the rows twice, the same each time."""
    import pyarrow as pa

    rng = np.random.default_rng(SEED)
    count = ROWS - DUPLICATES
    shares = np.array([genre.share for genre in GENRES])
    label = rng.choice(len(GENRES), count, p=shares / shares.sum())
    sound = np.where(rng.random(count) < ATYPICAL, rng.choice(len(GENRES), count, p=shares / shares.sum()), label)

    def typical(feature: str) -> np.ndarray:
        return np.array([getattr(genre, feature) for genre in GENRES])[sound]

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

    electronic = np.array([genre.name in ELECTRONIC for genre in GENRES])[label]
    named, titled = ~electronic | (rng.random(count) < 0.005), electronic & (rng.random(count) > 0.02)
    names = pa.array([genre.name for genre in GENRES])
    columns = {name: pa.array(values, from_pandas=True) for name, values in features.items()}
    columns["genre"] = names.take(pa.array(label))
    columns["song_name"] = song_names(rng, label, named)
    columns["title"] = titles(rng, label, titled)
    columns["type"] = pa.array(["audio_features"]).take(pa.array(np.zeros(count, "int64")))

    rows = rng.permutation(np.concatenate([np.arange(count), rng.choice(count, DUPLICATES, replace=False)]))
    order = [*list(features)[:11], "type", "duration_ms", "time_signature", "genre", "song_name", "title"]
    return pa.table({name: columns[name] for name in order}).take(pa.array(rows)).combine_chunks()
