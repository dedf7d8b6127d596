"""Rows that equal an earlier row, found batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_LANES = (("tabpipe-first-16", 0x9E3779B97F4A7C15), ("tabpipe-second-1", 0xC2B2AE3D27D4EB4F))
"""Two hashes of 64 bits for each row, by keys and odd multipliers of their own: that two different rows among a billion
share both has a probability below 1e-20."""


class Seen:
    """The rows of a table so far, 16 bytes of each kept."""

    def __init__(self) -> None:
        self._rows: set[bytes] = set()

    def first(self, batch: pa.Table | pa.RecordBatch) -> np.ndarray:
        """Finds the rows that equal no earlier row in every column; two missing values are equal.

        Args:
            batch: The next rows, columns of their kinds.

        Returns:
            (rows,) bool.
        """
        lanes = np.empty((batch.num_rows, 2), np.uint64)
        for lane, (key, factor) in enumerate(_LANES):
            found = np.zeros(batch.num_rows, np.uint64)
            for column in batch.columns:
                found = (found ^ _hashed(column, key)) * np.uint64(factor)
            lanes[:, lane] = found
        rows = lanes.view("V16")[:, 0].tolist()
        before, seen = len(self._rows), self._rows
        keep = np.zeros(batch.num_rows, bool)
        for at, row in enumerate(rows):
            seen.add(row)
            if len(seen) > before:
                keep[at], before = True, len(seen)
        return keep


def _hashed(column: pa.Array | pa.ChunkedArray, key: str) -> np.ndarray:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_string(array.type):
        coded = array.dictionary_encode()
        words = pd.util.hash_array(coded.dictionary.to_numpy(zero_copy_only=False), hash_key=key, categorize=False)
        found = np.append(words, np.uint64(0))[pc.fill_null(coded.indices, len(words)).to_numpy()]
    else:
        if pa.types.is_floating(array.type):
            array = pc.add(array, 0.0)  # zero has two signs
        elif pa.types.is_temporal(array.type):
            array = array.cast(pa.int64()) if not pa.types.is_date32(array.type) else array.cast(pa.int32())
        numbers = pc.fill_null(array, 0).to_numpy(zero_copy_only=False)
        found = pd.util.hash_array(numbers, hash_key=key, categorize=False)
    missing = array.is_null().to_numpy(zero_copy_only=False)
    found[missing] = np.uint64(0x5851F42D4C957F2D)
    return found
