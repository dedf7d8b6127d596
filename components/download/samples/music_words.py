"""Made-up names of songs and titles of mixes. Some words are likelier in some genres, so that texts tell something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from components.download.samples.data import words as words_of

if TYPE_CHECKING:
    import pyarrow as pa

Genres = Mapping[str, np.ndarray]
_OWN_WORD, _CALLED_BY_NAME = 0.45, 0.55
"""Share of words that are of the genre, and of mixes that are called by it."""


def song_names(rng: np.random.Generator, genres: Genres, label: np.ndarray, present: np.ndarray) -> pa.Array:
    """Two words and perhaps an addition; missing where `present` is false.

    Args:
        rng: The source of chance.
        genres: What is known of the genres, by column.
        label: Number of the genre of each track, shape (n,).
        present: Which tracks have one, shape (n,).
    """
    added = words_of("music")["added"]
    return _joined([_words(rng, genres, label), _words(rng, genres, label), _of(added, rng, len(label))], present)


def titles(rng: np.random.Generator, genres: Genres, label: np.ndarray, present: np.ndarray) -> pa.Array:
    """A word, mostly the genre's name, the kind of mix and perhaps a year; missing where `present` is false."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = words_of("music")
    by_name = pa.array(rng.random(len(label)) < _CALLED_BY_NAME)
    called = pc.if_else(by_name, pa.array(genres["called"]).take(pa.array(label)), _words(rng, genres, label))
    parts = [_words(rng, genres, label), called]
    parts += [_of(words["forms"], rng, len(label)), _of(words["tails"], rng, len(label))]
    return _joined(parts, present)


def _words(rng: np.random.Generator, genres: Genres, label: np.ndarray) -> pa.Array:
    import pyarrow as pa

    words = [word.capitalize() for words in genres["words"] for word in words.split()]
    neutral = [word.capitalize() for word in words_of("music")["neutral"]]
    own = label * 8 + rng.integers(0, 8, len(label))
    other = len(words) + rng.integers(0, len(neutral), len(label))
    return pa.array(words + neutral).take(pa.array(np.where(rng.random(len(label)) < _OWN_WORD, own, other)))


def _of(choices: list[str], rng: np.random.Generator, count: int) -> pa.Array:
    import pyarrow as pa

    return pa.array(choices).take(pa.array(rng.integers(0, len(choices), count)))


def _joined(parts: list[pa.Array], present: np.ndarray) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pa.array(present), pc.utf8_rtrim_whitespace(pc.binary_join_element_wise(*parts, " ")), None)
