"""Where a value of a table is, for a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal

if TYPE_CHECKING:
    import pyarrow as pa

    from components.common.inference.arrow_values import Column


_WRITTEN = {
    "numerical": "{decimal: ',', thousands: '.', currency: '€', percent: true, missing: ['?']}",
    "date": "{format: '%d.%m.%Y'}",
}
"""Kind to the settings of how values are written, for instance."""


@dataclass(frozen=True)
class Place:
    """Where values come from."""

    table: str
    column: str
    first: int = 0
    """Rows of the raw table before them."""

    def refuse(self, raw: pa.Array, kind: str, column: Column) -> None:
        """Refuses the first value that is not of its kind, if there is one.

        Args:
            raw: The values as they were read.
            kind: The declared kind.
            column: What `of_kind` made of them.
        """
        import pyarrow as pa

        if not column.faults:
            return
        row, rule = next(iter(column.faults.items()))
        fix = f"fix the value, or declare {self.column} as another kind"
        text = pa.types.is_string(raw.type) or pa.types.is_large_string(raw.type)
        if not text and len(column.faults) == len(raw) - raw.null_count:
            raise Refusal(
                f"column {self.column!r} does not fit its kind {kind}",
                where=self.table,
                value=f"values of type {raw.type}",
                rule=rule,
                mend=f"{fix}, or set download.columns.{self.column}.format" if kind == "date" else fix,
            )
        if kind in _WRITTEN:
            fix += f"; or say how they are written by download.columns.{self.column}: {_WRITTEN[kind]}"
        more = f" (and {len(column.faults) - 1} more)" if len(column.faults) > 1 else ""
        raise Refusal(
            f"a value of column {self.column!r} does not fit its kind {kind}{more}",
            where=f"{self.table}, row {self.first + row + 1} below the header",
            value=raw[row].as_py(),
            rule=rule,
            mend=fix,
        )
