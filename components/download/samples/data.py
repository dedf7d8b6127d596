"""What the generated samples are drawn from, out of the files beside this module.

`music_genres.csv` has a row per genre: its relative frequency, what its tracks are like on average (loudness in dB,
tempo in beats per minute; `major` and `instrumental` are shares of tracks), whether tracks stand under the title of a
mix rather than under their own name, what the genre is called in such a title, and its eight words. `nyc_places.csv`
has a row per neighbourhood: where it is, the relative frequency of its listings and a factor on the price.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_FOLDER = Path(__file__).parent


def columns(name: str) -> dict[str, np.ndarray]:
    """Read a table: column to its values, shape (rows,)."""
    from pyarrow.csv import read_csv

    table = read_csv(_FOLDER / name)
    return {column: table[column].to_numpy() for column in table.column_names}


def words(sample: str) -> dict[str, list[str]]:
    """Read the words of a sample: what they are for to the words, of which some stand more than once."""
    return tomllib.loads((_FOLDER / "words.toml").read_text(encoding="utf-8"))[sample]
