"""The rows of a request as columns, and whether they are those that the model is asked with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from components.common.base.errors import nearest
from tabpipe_server.errors import Unanswered, bad

if TYPE_CHECKING:
    from components.common.inference import Predictor
    from tabpipe_server.settings import Settings

Columns = dict[str, list[Any]]
_REMEMBERED = 256
"""So many different headers are remembered as good."""
NAME = 100
"""Characters of a column's name that are looked at for a suggestion."""


class Expected:
    """What the columns of a request must be.

    Args:
        predictor: The model that answers.
        settings: The server's limits.
        also: Columns that are another model's, and so not unknown.
    """

    def __init__(self, predictor: Predictor, settings: Settings, also: Iterable[str] = ()):
        self.names = list(predictor.columns)
        self.numerical = all(kind == "numerical" for kind in predictor.columns.values())
        self.max_rows, self.max_cell = settings.max_rows, settings.max_cell
        self.ignore_extra, self.id_column = settings.extra_columns == "ignore", settings.id_column
        self._wordy = [name for name, kind in predictor.columns.items() if kind != "numerical"]
        self._needed = frozenset(predictor.columns) - predictor.optional
        self._known = frozenset(predictor.columns) | frozenset(predictor.derived) | frozenset(also)
        if self.id_column:
            self._known |= {self.id_column}
        self._good: set[tuple[bool, tuple[str, ...]]] = set()

    def check_names(self, names: Iterable[Any], ignore: bool, where: str = "") -> None:
        """Refuses duplicate, missing and unknown columns.

        Raises:
            Unanswered: The first such fault.
        """
        key = (ignore, tuple(names))
        try:
            if key in self._good:
                return
        except TypeError:  # a list or an object in the place of a name
            pass
        names = key[1]
        wrong = next((name for name in names if not isinstance(name, str)), None)
        if wrong is not None or not all(isinstance(name, str) for name in names):
            raise bad("BAD_SHAPE", "a column's name is no string", where=where or "columns", value=wrong)
        given = set(names)
        if len(given) < len(names):
            first: dict[str, int] = {}
            twice = next(name for at, name in enumerate(names) if first.setdefault(name, at) != at)
            raise bad(
                "DUPLICATE_COLUMN",
                "the column is there twice",
                where=_joined(where, f"column {twice}"),
                rule="each column once",
                mend="leave one of them out",
                column=twice,
            )
        unknown = [name for name in names if name not in self._known]
        missing = [name for name in self.names if name in self._needed and name not in given]
        if missing:
            raise self._missing(missing, unknown, where)
        if unknown and not ignore:
            more = f", and {len(unknown) - 1} more are unknown" if len(unknown) > 1 else ""
            raise bad(
                "UNKNOWN_COLUMN",
                f"the model does not know this column{more}",
                where=_joined(where, f"column {unknown[0]}"),
                rule="the columns of the model; GET /signature lists them",
                mend=nearest(unknown[0][:NAME], self.names) + '; or send params {"extra_columns": "ignore"}',
                column=unknown[0],
                faults=len(unknown),
            )
        if not unknown and len(self._good) < _REMEMBERED:  # names that are not ours may be of any size
            self._good.add(key)

    def _missing(self, missing: list[str], unknown: list[str], where: str) -> Unanswered:
        more = f", and {len(missing) - 1} more are missing" if len(missing) > 1 else ""
        hint = f"the request has {unknown[0][:NAME]!r}: {nearest(unknown[0][:NAME], missing)}" if unknown else "add it"
        return bad(
            "MISSING_COLUMN",
            f"the model needs this column{more}",
            where=_joined(where, f"column {missing[0]}"),
            rule="all columns that GET /signature calls required",
            mend=f"{hint}; null stands for a missing value",
            column=missing[0],
            faults=len(missing),
        )

    def check_rows(self, rows: int) -> None:
        """Refuses no rows and too many.

        Raises:
            Unanswered: 400 for none, 413 for too many.
        """
        if rows == 0:
            raise bad("EMPTY", "the request has no rows", rule="at least one row", mend="send a row, or no request")
        if rows > self.max_rows:
            raise too_many_rows(self.max_rows, rows)

    def check_cells(self, columns: Columns) -> None:
        """Refuses texts that are too long; only asked of a body that is long enough to hold one.

        Raises:
            Unanswered: The first cell that is too long.
        """
        for name in self._wordy:
            for row, value in enumerate(columns.get(name, ())):
                if type(value) is str and len(value) > self.max_cell:
                    raise bad(
                        "CELL_TOO_LONG",
                        f"the text is too long: {len(value)} characters",
                        where=f"row {row}, column {name}",
                        value=value[:50],
                        rule=f"at most {self.max_cell} characters",
                        mend="shorten it",
                        row=row,
                        column=name,
                    )

    def from_lists(self, names: Sequence[Any], data: Any, ignore: bool, where: str) -> tuple[Columns, int]:
        """Rows that are lists, in the order of `names`."""
        if type(data) is not list:
            raise bad("BAD_SHAPE", "this is no list of rows", where=where, value=data, rule="a list of lists")
        self.check_rows(len(data))
        self.check_names(names, ignore)
        if len(data) == 1 and type(data[0]) is list and len(data[0]) == len(names):
            return {name: [value] for name, value in zip(names, data[0], strict=True)}, 1
        for row, values in enumerate(data):
            if type(values) is not list or len(values) != len(names):
                raise _ragged(row, values, len(names), where)
        return dict(zip(names, map(list, zip(*data, strict=True)), strict=True)), len(data)

    def from_records(self, data: list[Any], ignore: bool, where: str) -> tuple[Columns, int]:
        """Rows that are objects, column to value; an absent key is told from null."""
        self.check_rows(len(data))
        for row, record in enumerate(data):
            if type(record) is not dict:
                raise bad(
                    "BAD_SHAPE",
                    "this row is no object",
                    where=f"{where}, row {row}",
                    value=record,
                    rule="a list of objects, column to value",
                    row=row,
                )
        first = data[0]
        self.check_names(first, ignore, "row 0")
        if len(data) == 1:
            return {name: [value] for name, value in first.items()}, 1
        width = len(first)
        try:
            if all(len(record) == width for record in data):
                return {name: list(map(itemgetter(name), data)) for name in first}, len(data)
        except KeyError:
            pass
        return self._uneven(data, ignore), len(data)

    def _uneven(self, data: list[dict[str, Any]], ignore: bool) -> Columns:
        """Records that have not all the same keys."""
        from components.common.inference import ABSENT

        for row, record in enumerate(data):
            if not ignore and not self._known.issuperset(record):
                self.check_names(
                    [*self._needed, *(name for name in record if name not in self._needed)], ignore, f"row {row}"
                )
        names = dict.fromkeys(name for record in data for name in record if name in self._known)
        return {name: [record.get(name, ABSENT) for record in data] for name in names}

    def from_columns(self, data: dict[str, Any], ignore: bool, where: str) -> tuple[Columns, int]:
        """Columns that are lists of one length."""
        self.check_names(data, ignore)
        rows = None
        for name, values in data.items():
            if type(values) is not list:
                raise bad(
                    "BAD_SHAPE",
                    "the column is no list of values",
                    where=f"{where}, column {name}",
                    value=values,
                    rule="an object of lists, all of one length",
                    column=name,
                )
            if rows is None:
                rows = len(values)
            elif len(values) != rows:
                raise bad(
                    "RAGGED_ROWS",
                    f"the column has {len(values)} values, those before it have {rows}",
                    where=f"{where}, column {name}",
                    rule="an object of lists, all of one length",
                    mend="null stands for a missing value",
                    column=name,
                )
        self.check_rows(rows or 0)
        return data, rows or 0


def too_many_rows(limit: int, rows: int | None = None) -> Unanswered:
    """More rows than the limit: 413."""
    return Unanswered(
        413,
        "TOO_MANY_ROWS",
        "the request has too many rows",
        value=rows,
        rule=f"at most {limit} rows",
        mend="send the rows in several requests, or use the batch command",
    )


def _ragged(row: int, values: Any, width: int, where: str) -> Unanswered:
    if type(values) is not list:
        return bad("BAD_SHAPE", "this row is no list", where=f"{where}, row {row}", value=values, rule="lists", row=row)
    return bad(
        "RAGGED_ROWS",
        f"the row has {len(values)} values, there are {width} columns",
        where=f"{where}, row {row}",
        rule="one value per column in every row",
        mend="null stands for a missing value",
        row=row,
    )


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
