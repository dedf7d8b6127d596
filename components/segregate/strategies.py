"""The ways to split rows in two: by a shuffle, by time, by groups."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Two = tuple["np.ndarray", "np.ndarray"]


def shuffled(
    rows: np.ndarray, strata: pa.ChunkedArray | None, name: str | None, share: float, seed: int, split: str
) -> Two:
    """Splits as scikit-learn's train_test_split does, so that rows and their order are those of a plain script.

    Args:
        rows: Positions to split, shape (n,).
        strata: Values whose shares both parts keep, of the whole table; without them rows are drawn at random.
        name: The column that they are from.
        share: Share of `rows` that goes to the second part, rounded up to whole rows.
        seed: Seed of the shuffle.
        split: The name of the second part.

    Returns:
        The rest and the split.

    Raises:
        Refusal: A part would be empty, or a stratum cannot be in both parts.
    """
    from sklearn.model_selection import train_test_split

    count = _count(len(rows), share, split)
    labels = None
    if strata is not None:
        codes, names = ranked(strata)
        labels = codes[rows]
        _check_strata(labels, names, str(name), count, split)
    rest, part = train_test_split(rows, test_size=share, random_state=seed, stratify=labels)
    return rest, part


def _check_strata(labels: np.ndarray, names: pa.Array, column: str, count: int, split: str) -> None:
    import numpy as np

    found, sizes = np.unique(labels, return_counts=True)
    rarest = int(np.argmin(sizes))
    if sizes[rarest] < 2:
        left = "" if split == "test" else " left beside the test split"
        raise Refusal(
            f"class {names[found[rarest]].as_py()!r} of column {column!r} has one row{left}, too few to be split",
            where=f"the {split} split",
            rule="every class has a row in both parts of a stratified split, so three rows or more in all",
            mend="collect more rows of it, remove it, or set segregate.stratify=false",
        )
    smaller = min(count, len(labels) - count)
    if smaller < len(found):
        raise Refusal(
            f"{smaller} rows cannot hold the {len(found)} classes of column {column!r}",
            where=f"the {split} split",
            value=f"{count} of {len(labels)} rows",
            rule="a stratified split has a row of every class on both sides",
            mend="change segregate.test_size or validation_size, use more rows, or set segregate.stratify=false",
        )


def by_time(rows: np.ndarray, times: pa.ChunkedArray, share: float, split: str) -> Two:
    """Cuts between two times: the latest rows are the split. Equal times are never on both sides of the cut.

    Of the two cuts around the wanted number of rows the nearer one is taken.

    Args:
        rows: Positions to split, shape (n,).
        times: The time of every row of the whole table.
        share: Share of `rows` that goes to the split.
        split: Its name.

    Returns:
        The rest and the split, each in the order of time, then of the table.

    Raises:
        Refusal: The column holds no times or numbers, or there is no cut between different times.
    """
    import numpy as np
    import pyarrow as pa

    types = pa.types
    if not (types.is_temporal(times.type) or types.is_integer(times.type) or types.is_floating(times.type)):
        raise Refusal(
            "the column holds no dates",
            where="segregate.by_time",
            value=f"values of type {times.type}",
            rule="a date column, or numbers that grow with time",
            mend="declare it as date",
        )
    count = _count(len(rows), share, split)
    values = times.to_numpy()[rows]
    order = np.argsort(values, kind="stable")
    cuts = np.flatnonzero(values[order][1:] != values[order][:-1]) + 1
    if not len(cuts):
        raise Refusal(
            f"all {len(rows)} rows have the same time",
            where=f"the {split} split",
            value=str(values[order][0]),
            rule="rows of equal time stay together",
            mend="use a finer time, or split without by_time",
        )
    cut = cuts[np.argmin(np.abs(cuts - (len(rows) - count)))]
    return rows[order[:cut]], rows[order[cut:]]


def by_group(rows: np.ndarray, groups: pa.ChunkedArray, share: float, seed: int, split: str) -> Two:
    """Deals whole groups, as scikit-learn's GroupShuffleSplit does: equal values are never in both parts.

    Args:
        rows: Positions to split, shape (n,).
        groups: The group of every row of the whole table.
        share: Share of the groups that goes to the split, rounded up.
        seed: Seed of the shuffle.
        split: Its name.

    Returns:
        The rest and the split, each in the order of the table.

    Raises:
        Refusal: There are too few groups.
    """
    import numpy as np
    from sklearn.model_selection import GroupShuffleSplit

    codes = ranked(groups)[0][rows]
    count = len(np.unique(codes))
    if count < 2 or math.ceil(count * share) >= count:
        raise Refusal(
            f"{count} group{'s' * (count != 1)} cannot be dealt to two parts",
            where=f"the {split} split",
            value=f"a share of {share}",
            rule="equal values stay together, and no part is empty",
            mend="group by a column with more values, or change the share",
        )
    splitter = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    rest, part = next(splitter.split(rows, groups=codes))
    return rows[rest], rows[part]


def ranked(values: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Numbers the distinct values of a column in ascending order, which is the order scikit-learn draws them in.

    Returns:
        The number of each value, shape (n,), and the distinct values.
    """
    import numpy as np
    import pyarrow.compute as pc

    coded = values.combine_chunks().dictionary_encode()
    order = pc.sort_indices(coded.dictionary).to_numpy()
    ranks = np.empty(len(order), "int64")
    ranks[order] = np.arange(len(order))
    return ranks[coded.indices.to_numpy()], coded.dictionary.take(pc.sort_indices(coded.dictionary))


def _count(rows: int, share: float, split: str) -> int:
    """Rows of a split, rounded up as scikit-learn does."""
    count = math.ceil(rows * share)
    if not 0 < count < rows:
        raise Refusal(
            f"{rows} rows leave none beside a share of {share}",
            where=f"the {split} split",
            rule="no split is empty",
            mend="use more rows or another segregate.test_size or validation_size",
        )
    return count
