"""What differs between two parquet tables: columns, rows, and what changed in each column."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_MOST_CATEGORIES = 1000
"""Distinct values up to which a column of text is taken for one of categories."""
_SHOWN_CATEGORIES = 8


def difference_of_tables(left: Path, right: Path) -> dict[str, Any]:
    """Compares two tables, a column at a time.

    Returns:
        `rows`: both counts. `added`, `removed`: column to type. `retyped`: column to both types. `order`: whether the
        columns stand in another order. `columns`: column to what changed in it. `rows_differing`: how many rows differ
        in some column that both have, None where the counts differ.
    """
    import numpy as np

    with _opened(left) as a, _opened(right) as b:
        types = [{field.name: str(field.type) for field in file.schema_arrow} for file in (a, b)]
        rows = [file.metadata.num_rows for file in (a, b)]
        both = [name for name in types[0] if name in types[1]]
        differing = np.zeros(rows[0], bool) if rows[0] == rows[1] else None
        columns: dict[str, Any] = {}
        for name in both:
            pair = [_column(file, name) for file in (a, b)]
            change = _change(*pair)
            if differing is not None:
                mask = _rows_that_differ(*pair)
                differing |= mask
                change["rows_differing"] = int(mask.sum())
            if change.pop("changed", False) or change.get("rows_differing"):
                columns[name] = change
    return {
        "rows": rows,
        "added": {name: kind for name, kind in types[1].items() if name not in types[0]},
        "removed": {name: kind for name, kind in types[0].items() if name not in types[1]},
        "retyped": {name: [types[0][name], types[1][name]] for name in both if types[0][name] != types[1][name]},
        "order": both != [name for name in types[1] if name in types[0]],
        "columns": columns,
        "rows_differing": None if differing is None else int(differing.sum()),
    }


def _opened(path: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise Refusal(f"not a readable parquet file ({error})", where=str(path)) from None


def _column(file: pq.ParquetFile, name: str) -> pa.ChunkedArray:
    """A column with NaN as missing, and repeated texts as texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = file.read(columns=[name]).column(0)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _change(a: pa.ChunkedArray, b: pa.ChunkedArray) -> dict[str, Any]:
    """What changed in a column: pairs of figures, and categories that are new or gone."""
    facts = [_facts(column) for column in (a, b)]
    found: dict[str, Any] = {
        key: [facts[0].get(key), facts[1].get(key)]
        for key in dict.fromkeys([*facts[0], *facts[1]])
        if facts[0].get(key) != facts[1].get(key)
    }
    if all(_is_text(column.type) for column in (a, b)):
        values = [_categories(column) for column in (a, b)]
        if values[0] is not None and values[1] is not None:
            new, gone = sorted(values[1] - values[0]), sorted(values[0] - values[1])
            found |= {"new": new[:_SHOWN_CATEGORIES], "new_count": len(new)} if new else {}
            found |= {"gone": gone[:_SHOWN_CATEGORIES], "gone_count": len(gone)} if gone else {}
    found["changed"] = bool(found) or a.type != b.type
    return found


def _facts(column: pa.ChunkedArray) -> dict[str, Any]:
    """Missing values, and mean, least and greatest value where that makes sense."""
    import pyarrow as pa
    import pyarrow.compute as pc

    facts: dict[str, Any] = {"missing": column.null_count}
    kind = column.type
    if pa.types.is_boolean(kind):
        facts["mean"] = _rounded(pc.mean(column.cast(pa.int8())).as_py())
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        facts["mean"] = _rounded(pc.mean(column).as_py())
        facts |= {key: _rounded(value) for key, value in pc.min_max(column).as_py().items()}
    elif pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        facts |= {key: None if value is None else str(value) for key, value in pc.min_max(column).as_py().items()}
    elif _is_text(kind):
        facts["distinct"] = pc.count_distinct(column).as_py()
    return facts


def _rows_that_differ(a: pa.ChunkedArray, b: pa.ChunkedArray) -> Any:
    """A mask of rows whose values are not the same; missing and missing are."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if a.type != b.type:
        try:
            b = b.cast(a.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return np.ones(len(a), bool)
    try:
        unequal = pc.fill_null(pc.not_equal(a, b), False)
    except pa.ArrowNotImplementedError:  # lists and the like
        return np.array([one != other for one, other in zip(a.to_pylist(), b.to_pylist(), strict=True)], bool)
    one_missing = pc.not_equal(pc.is_null(a), pc.is_null(b))
    return pc.or_(unequal, one_missing).to_numpy()


def _categories(column: pa.ChunkedArray) -> set[str] | None:
    import pyarrow.compute as pc

    values = pc.unique(column)
    return {value for value in values.to_pylist() if value is not None} if len(values) <= _MOST_CATEGORIES else None


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _rounded(value: Any) -> Any:
    """A figure to twelve digits, so that the order of a sum makes no difference."""
    return float(f"{value:.12g}") if isinstance(value, float) else None if value is None else value
