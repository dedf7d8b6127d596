"""Made-up names of songs and titles of mixes. Some words are likelier in some genres, so that texts tell something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_MOODS = (
    "blood grave cold shadow lost ritual smoke ghost",
    "night demon void curse black winter abyss witch",
    "summer street crown block city gold flow crew",
    "sky dream horizon light ocean heaven sunrise angel",
    "groove disco jack rhythm club sugar heat bounce",
    "jungle roller bassline liquid neuro amen break rush",
    "drop bass boom festival hype vip flip wild",
    "warehouse machine acid modular concrete berlin loop pulse",
    "goa forest shiva mantra fractal cosmic shaman portal",
    "rave warrior kick anthem legacy rebel fury power",
    "love slow velvet honey baby tonight silk rose",
    "rage scream chainsaw slaughter riot venom skull razor",
    "hustle boss money king chain brooklyn mic game",
    "tears letter broken suburb goodbye scars bedroom rain",
    "heart dance forever party crazy girl summer star",
)
"""Eight words of each genre, genres in the order of `music_genres.GENRES`."""
_NEUTRAL = (
    "one time day way life back again home run away stay fall rise over under high low red blue new old last first "
    "real true deep young free little big"
)
_CALLED = (
    "Underground Rap",
    "Dark Trap",
    "Hip Hop",
    "Trance",
    "Tech House",
    "Drum & Bass",
    "Trap",
    "Techno",
    "Psytrance",
    "Hardstyle",
    "RnB",
    "Trap Metal",
    "Rap",
    "Emo",
    "Pop",
)
_FORMS = ("Mix", "Mix", "Mix", "Set", "Session", "Classics", "Essentials", "Selection", "Podcast", "Favourites")
_TAILS = ("2017", "2018", "2019", "2020", "Vol. 1", "Vol. 2", "Vol. 3", "(Live)", "| Best of", "", "", "")
_ADDED = ("", "", "", "", "", "(Remix)", "(Intro)", "(Demo)", "Pt. 2", "II")
_OWN_WORD, _CALLED_BY_NAME = 0.45, 0.55
"""Share of words that are of the genre, and of mixes that are called by it."""


def song_names(rng: np.random.Generator, label: np.ndarray, present: np.ndarray) -> pa.Array:
    """Two words and perhaps an addition; missing where `present` is false.

    Args:
        rng: The source of chance.
        label: Number of the genre of each track, shape (n,).
        present: Which tracks have one, shape (n,).
    """
    return _joined([_words(rng, label), _words(rng, label), _of(_ADDED, rng, len(label))], present)


def titles(rng: np.random.Generator, label: np.ndarray, present: np.ndarray) -> pa.Array:
    """A word, mostly the genre's name, the kind of mix and perhaps a year; missing where `present` is false."""
    import pyarrow as pa
    import pyarrow.compute as pc

    called = pc.if_else(
        pa.array(rng.random(len(label)) < _CALLED_BY_NAME), pa.array(_CALLED).take(pa.array(label)), _words(rng, label)
    )
    parts = [_words(rng, label), called, _of(_FORMS, rng, len(label)), _of(_TAILS, rng, len(label))]
    return _joined(parts, present)


def _words(rng: np.random.Generator, label: np.ndarray) -> pa.Array:
    import pyarrow as pa

    words = [word.capitalize() for words in _MOODS for word in words.split()]
    neutral = [word.capitalize() for word in _NEUTRAL.split()]
    own = label * 8 + rng.integers(0, 8, len(label))
    other = len(words) + rng.integers(0, len(neutral), len(label))
    return pa.array(words + neutral).take(pa.array(np.where(rng.random(len(label)) < _OWN_WORD, own, other)))


def _of(choices: tuple[str, ...], rng: np.random.Generator, count: int) -> pa.Array:
    import pyarrow as pa

    return pa.array(choices).take(pa.array(rng.integers(0, len(choices), count)))


def _joined(parts: list[pa.Array], present: np.ndarray) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pa.array(present), pc.utf8_rtrim_whitespace(pc.binary_join_element_wise(*parts, " ")), None)
