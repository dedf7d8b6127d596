"""Where a value of a table is, for a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class Place:
    """Where values come from, for a refusal."""

    table: str
    column: str
    rows: np.ndarray
    """Position of each value in the raw table, counted from 0."""

    def refuse(self, values: pa.ChunkedArray, bad: pa.ChunkedArray, kind: str, rule: str, mend: str = "") -> None:
        """Refuses the first value that `bad` marks, if there is one."""
        import numpy as np

        marked = np.flatnonzero(bad.to_numpy(zero_copy_only=False))
        if len(marked):
            first, more = int(marked[0]), len(marked) - 1
            others = f" (and {more} more)" if more else ""
            raise Refusal(
                f"a value of column {self.column!r} does not fit its kind {kind}{others}",
                where=f"{self.table}, row {self.rows[first] + 1} below the header",
                value=values[first].as_py(),
                rule=rule,
                mend=mend or f"mend the value, or declare {self.column} as another kind",
            )

    def refuse_type(self, type_: Any, kind: str, rule: str) -> Refusal:
        """The refusal of a whole column."""
        return Refusal(
            f"column {self.column!r} does not fit its kind {kind}",
            where=self.table,
            value=f"values of type {type_}",
            rule=rule,
            mend="declare it as another kind, or remove it",
        )
