"""The rules by which rows go and columns come: fills, derived columns, bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal
from components.common.config.base import Kind
from components.common.config.preprocess import Derive

if TYPE_CHECKING:
    import pyarrow as pa


def fill_value(value: Any, column: str, kind: Kind, way: dict[str, Any]) -> Any:
    """The constant that stands in for missing values, of the column's kind.

    Returns:
        An int or a float, a str, or a datetime64[us].

    Raises:
        Refusal: It is none.
    """
    import pyarrow as pa

    from components.common.inference.arrow_values import of_kind
    from components.common.inference.values import is_missing

    rule = ""
    if isinstance(value, (list, dict)) or (is_missing(value) and not (value == "" and kind == "text")):
        rule = "a single value that is not itself missing"
    elif kind == "numerical" and (isinstance(value, bool) or not isinstance(value, (int, float))):
        rule = "a number"
    elif value != "":
        found = of_kind(pa.array([value]), kind, {**way, "missing": []})
        rule = next(iter(found.faults.values()), "")
        value = value if rule else found.values[0].as_py()
    if rule:
        raise Refusal(
            f"this cannot stand in for missing values of the {kind} column {column!r}",
            where=f"preprocess.fill.{column}",
            value=repr(value),
            rule=rule,
        )
    return value


def filled(values: pa.Array, value: Any, column: str) -> pa.Array:
    """Puts a constant in place of missing values; whole numbers become floats where it is a fraction.

    Raises:
        Refusal: The column holds values of another type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(values.type) and isinstance(value, float) and value != int(value):
        values = pc.cast(values, pa.float64())
    try:
        return pc.fill_null(values, pa.scalar(value).cast(values.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise Refusal(
            f"this cannot stand in for missing values of the column {column!r}",
            where=f"preprocess.fill.{column}",
            value=repr(value),
            rule=f"a value of type {values.type}",
        ) from None


def derived(columns: dict[str, pa.Array], way: Derive) -> pa.Array:
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


def inside(values: pa.Array, bounds: tuple[float | None, float | None]) -> pa.Array:
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
