"""How a table is written: what a reader must know of a file, and what of it stays with the model."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from components.common.config.base import Section
from components.common.config.patterns import fitting_columns


class ColumnReading(Section):
    """How the values of one column are written, where that differs from the table's other columns."""

    missing: list[Any] = Field(default_factory=list)
    """Further spellings of a missing value: "?" or -999."""
    format: str | None = None
    """strptime format of a date column, such as "%d/%m/%Y"; ISO 8601 by default."""
    decimal: str | None = None
    """What stands before the decimals of a number."""
    thousands: str | None = None
    """What groups the digits of a number."""
    currency: str | None = None
    """A sign that stands before or after each number, such as "$"."""
    percent: bool = False
    """Numbers with a percent sign are shares: 12.5% is 0.125."""

    @field_validator("format")
    @classmethod
    def _dated(cls, value: str | None) -> str | None:
        if value is not None:
            moment = datetime(2026, 1, 31, tzinfo=UTC)
            try:
                if "%" not in value:
                    raise ValueError("it has no directive such as %Y")
                datetime.strptime(moment.strftime(value), value)
            except ValueError as error:
                raise ValueError(f"not a date format of strptime, for instance '%d.%m.%Y': {error}") from None
        return value


class Notation(Section):
    """How the values of a table are written."""

    decimal: str = "."
    """What stands before the decimals of a number that is written as text."""
    thousands: str | None = None
    """What groups the digits of such a number, for instance ","."""
    missing: list[Any] = Field(default_factory=list)
    """Further spellings of a missing value, beside those that pandas knows in a CSV (empty, NA, null, …)."""
    columns: dict[str, ColumnReading] = Field(default_factory=dict)
    """Column, or pattern of names, to how its values are written."""

    def ways(self, names: Collection[str]) -> dict[str, dict[str, Any]]:
        """How the values of columns are written, as `inference.values` takes it, where that is not the usual one.

        Args:
            names: The columns of the table. What `columns` says of others is passed over.
        """
        usual = self._way(ColumnReading())
        found = dict.fromkeys(names, usual) if usual else {}
        for key, fitting in fitting_columns(self.columns, names).items():
            found |= dict.fromkeys(fitting, self._way(self.columns[key]))
        return {name: way for name, way in found.items() if way}

    def _way(self, own: ColumnReading) -> dict[str, Any]:
        found = {
            "missing": [*self.missing, *own.missing],
            "format": own.format,
            "decimal": own.decimal or (self.decimal if self.decimal != "." else None),
            "thousands": own.thousands or self.thousands,
            "currency": own.currency,
            "percent": own.percent,
        }
        return {key: value for key, value in found.items() if value}


class Reading(Notation):
    """How a table is written. A model keeps this, so that later tables are read as its training table was."""

    format: Literal["auto", "csv", "jsonl", "json", "parquet", "arrow", "excel"] = "auto"
    """The file's format; `auto` goes by its first bytes and its name. Each may be compressed: gz, bz2, xz, zst, zip."""
    delimiter: str | None = None
    """What separates the fields of a CSV; by default a comma, and a tab in .tsv and .tab files."""
    encoding: str | None = None
    """The text encoding of a CSV or of JSON; by default UTF-8, or what a byte order mark says."""
    sheet: str | None = None
    """The sheet of an Excel workbook that has several."""

    @field_validator("delimiter")
    @classmethod
    def _tab(cls, value: str | None) -> str | None:
        return value and value.replace("\\t", "\t")  # as it is written in single quotes, or on a command line
