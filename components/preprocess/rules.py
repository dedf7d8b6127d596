"""The rules by which rows go and columns come: duplicates, fills, derived columns, bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal
from components.common.config import Derive, Kind
from components.preprocess.cell import Place
from components.preprocess.dates import to_dates
from components.preprocess.kinds import as_text

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def first_of_equals(table: pa.Table) -> np.ndarray:
    """Finds the rows that equal no earlier row in every column; two missing values are equal.

    Returns:
        Their positions, ascending.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = []
    for column in table.columns:
        if pa.types.is_nested(column.type):
            return np.arange(table.num_rows)  # Such a column is refused as soon as it is given its kind.
        if pa.types.is_floating(column.type):
            # Grouping compares bits: minus zero and NaN have several.
            column = pc.add(pc.if_else(pc.is_nan(column), None, column), 0.0)
        keys.append(column)
    names = [str(number) for number in range(len(keys))]
    numbered = pa.table([*keys, np.arange(table.num_rows)], names=[*names, "row"])
    return np.sort(numbered.group_by(names).aggregate([("row", "min")])["row_min"].to_numpy())


def filled(values: pa.ChunkedArray, value: Any, column: str, kind: Kind, date_format: str | None) -> pa.ChunkedArray:
    """Puts a constant in place of missing values.

    Raises:
        Refusal: The constant does not fit the column.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    def refusal(rule: str) -> Refusal:
        return Refusal(
            f"this cannot stand in for missing values of the {kind} column {column!r}",
            where=f"preprocess.fill.{column}",
            value=repr(value),
            rule=rule,
        )

    if value is None or value != value or isinstance(value, (list, dict)):
        raise refusal("a single value that is not itself missing")
    if kind in ("categorical", "text"):
        return pc.fill_null(values, as_text(pa.chunked_array([[value]]))[0])
    if kind == "date":
        import numpy as np

        try:
            text = pa.chunked_array([[str(value)]])
            return pc.fill_null(values, to_dates(text, Place("", column, np.arange(1)), date_format)[0])
        except Refusal as fault:
            raise refusal(fault.rule) from None
    if kind == "numerical":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise refusal("a number")
        if pa.types.is_integer(values.type) and value != int(value):
            values = pc.cast(values, pa.float64())
    try:
        return pc.fill_null(values, pa.scalar(value).cast(values.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise refusal(f"a value of type {values.type}") from None


def derived(columns: dict[str, pa.ChunkedArray], way: Derive) -> pa.ChunkedArray:
    """Makes a column of others, row by row.

    Args:
        columns: The columns of the table, of their kinds.
        way: How; its sources are among the columns.

    Returns:
        Texts, or float64: missing where a part is, and where a ratio's second part is 0.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [columns[name] for name in way.sources]
    if way.join:
        return pc.binary_join_element_wise(*parts, way.separator, null_handling="replace", null_replacement="")
    first, second = (pc.cast(part, pa.float64(), safe=False) for part in parts)
    if way.difference:
        return pc.subtract(first, second)
    return pc.divide(first, pc.if_else(pc.equal(second, 0.0), None, second))


def inside(values: pa.ChunkedArray, bounds: tuple[float | None, float | None]) -> pa.ChunkedArray:
    """Which values lie between two bounds, both allowed; missing ones count as inside."""
    import pyarrow as pa
    import pyarrow.compute as pc

    low, high = bounds
    keep = values.is_null()
    known = values.is_valid()
    if low is not None:
        known = pc.and_(known, pc.fill_null(pc.greater_equal(values, pa.scalar(float(low))), False))
    if high is not None:
        known = pc.and_(known, pc.fill_null(pc.less_equal(values, pa.scalar(float(high))), False))
    return pc.or_(keep, known)
