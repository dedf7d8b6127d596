"""From typed columns to the matrix that the estimator is asked with, as the fitted ColumnTransformer makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from components.common.inference.coerce import Typed
from components.common.inference.tfidf import Tfidf
from components.common.inference.values import date_parts


class Features:
    """Makes features of columns.

    Args:
        plan: What `components.train.compiled` notes of a fitted pipeline: `derive`, `fill`, `width` and `blocks`.
    """

    def __init__(self, plan: Mapping[str, Any]):
        self.derive, self.fill, self.width = plan["derive"], plan["fill"], plan["width"]
        self._blocks: list[Callable[[Mapping[str, Typed], np.ndarray, dict[str, list[str]]], None]] = [
            _BLOCKS[block["kind"]](block) for block in plan["blocks"]
        ]
        self.origins = [""] * self.width
        for block in plan["blocks"]:
            for at, name in block["origins"]:
                self.origins[at] = name

    def make(self, columns: dict[str, Typed], rows: int) -> tuple[np.ndarray, dict[str, list[str]]]:
        """Makes the matrix.

        Args:
            columns: What `coerce.typed` returns; derived columns are added to it.
            rows: How many rows.

        Returns:
            (rows, features) float64; NaN where the model itself deals with missing values. And of each categorical
            column the values that were unknown in training, where there are some.
        """
        for name, constant in self.fill.items():
            columns[name] = _filled(columns[name], constant)
        for name, way in self.derive.items():
            columns[name] = _derived(way, columns)
        matrix = np.zeros((rows, self.width))
        unknown: dict[str, list[str]] = {}
        for block in self._blocks:
            block(columns, matrix, unknown)
        return matrix, unknown


def _filled(values: Typed, constant: Any) -> Typed:
    if isinstance(values, np.ndarray):
        return np.where(np.isnan(values), float(constant), values)
    return [str(constant) if v is None else v for v in values]


def _derived(way: Mapping[str, Any], columns: Mapping[str, Typed]) -> Typed:
    """One derived column, as `transformers._derived` of the step train makes it."""
    if way.get("join"):
        # A column of numbers adds nothing to joined texts, as in training.
        parts = [
            [""] * len(columns[name]) if isinstance(columns[name], np.ndarray) else [v or "" for v in columns[name]]
            for name in way["join"]
        ]
        return [way["separator"].join(row) for row in zip(*parts, strict=True)]
    first, second = (columns[name] for name in way.get("ratio") or way["difference"])
    if way.get("difference"):
        return np.subtract(first, second)
    return np.divide(first, second, out=np.full(len(first), np.nan), where=second != 0)


def _numerical(block: Mapping[str, Any]) -> Callable:
    names, scaled = block["columns"], _scaler(block)
    indicators = block.get("indicators", [])
    part = slice(block["at"], block["at"] + len(names) + len(indicators))
    impute = None if block["impute"] is None else np.array(block["impute"])

    def make(columns: Mapping[str, Typed], matrix: np.ndarray, unknown: dict[str, list[str]]) -> None:
        values = np.array([columns[name] for name in names], dtype=np.float64).T
        if impute is not None:
            missing = np.isnan(values)
            if missing.any():
                values = np.where(missing, impute, values)
            if indicators:
                values = np.concatenate([values, missing[:, indicators]], axis=1)
        matrix[:, part] = scaled(values)

    return make


def _date(block: Mapping[str, Any]) -> Callable:
    names, scaled = block["columns"], _scaler(block)
    # A model of an earlier version has no parts.
    parts = block.get("parts") or [[]] * len(names)
    part = slice(block["at"], block["at"] + len(names) + sum(map(len, parts)))
    median = None if block["median"] is None else np.array(block["median"])

    def make(columns: Mapping[str, Typed], matrix: np.ndarray, unknown: dict[str, list[str]]) -> None:
        made = []
        for name, latest, kept in zip(names, block["latest"], parts, strict=True):
            days = np.asarray(columns[name], dtype=np.float64)
            found = date_parts(days) if kept else {}
            made += [latest - days, *(found[one] for one in kept)]
        values = np.stack(made, axis=1)
        matrix[:, part] = scaled(values if median is None else np.where(np.isnan(values), median, values))

    return make


def _scaler(block: Mapping[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
    if block["scale"] is None:
        return lambda values: values
    mean, scale = np.array(block["mean"]), np.array(block["scale"])
    return lambda values: (values - mean) / scale


def _categorical(block: Mapping[str, Any]) -> Callable:
    return (_onehot if block["encode"] == "onehot" else _numbered)(block)


def _onehot(block: Mapping[str, Any]) -> Callable:
    parts: list[tuple[str, str, dict[str, int], int, int]] = []
    at = block["at"]
    rare = block.get("rare") or [[]] * len(block["columns"])
    for name, fill, categories, few in zip(block["columns"], block["fill"], block["categories"], rare, strict=True):
        grouped = frozenset(few)
        index = {value: place for place, value in enumerate(v for v in categories if v not in grouped)}
        other = len(index) if few else -1  # rare ones share the last feature, with those that are unknown
        parts.append((name, fill, {**index, **dict.fromkeys(few, other)}, at, other))
        at += len(index) + bool(few)

    def make(columns: Mapping[str, Typed], matrix: np.ndarray, unknown: dict[str, list[str]]) -> None:
        for name, fill, index, first, other in parts:
            found = _places(name, columns, fill, index, unknown)
            for row, at in enumerate(found):
                at = other if at < 0 else at
                if at >= 0:
                    matrix[row, first + at] = 1.0

    return make


def _numbered(block: Mapping[str, Any]) -> Callable:
    """A number for each category, or several; the last two rows of a column's table are for unknown and missing."""
    parts: list[tuple[str, str | None, dict[str, int], np.ndarray, slice]] = []
    at = block["at"]
    for place, (name, fill, categories) in enumerate(
        zip(block["columns"], block["fill"], block["categories"], strict=True)
    ):
        if block["encode"] == "target":
            table = np.array([*block["means"][place], block["other"], block["missing"][place]], dtype=np.float64)
        else:
            other = -1.0 if block["encode"] == "ordinal" else np.nan
            table = np.array([*range(len(categories)), other, other], dtype=np.float64)[:, None]
        parts.append(
            (name, fill, {value: i for i, value in enumerate(categories)}, table, slice(at, at + table.shape[1]))
        )
        at += table.shape[1]

    def make(columns: Mapping[str, Typed], matrix: np.ndarray, unknown: dict[str, list[str]]) -> None:
        for name, fill, index, table, part in parts:
            found = _places(name, columns, fill, index, unknown)
            if fill is None:
                last = len(index) + 1
                found = [last if v is None else at for at, v in zip(found, columns[name], strict=True)]
            rows = np.array(found)
            rows[rows < 0] = len(index)
            matrix[:, part] = table[rows]

    return make


def _places(
    name: str, columns: Mapping[str, Typed], fill: str | None, index: Mapping[str, int], unknown: dict[str, list[str]]
) -> list[int]:
    """The place of each value of a column among the categories, -1 where it was unknown in training; notes these."""
    found = [index.get(fill if v is None else v, -1) for v in columns[name]]  # type: ignore[arg-type]
    if -1 in found:
        new = [str(v) for at, v in zip(found, columns[name], strict=True) if at < 0 and v is not None]
        if new:
            unknown[name] = new
    return found


def _text(block: Mapping[str, Any]) -> Callable:
    name = block["columns"][0]
    tfidf = Tfidf(block["vocabulary"], block["idf"], block["binary"], block["ngrams"], block["lowercase"])
    part = slice(block["at"], block["at"] + len(block["vocabulary"]))

    def make(columns: Mapping[str, Typed], matrix: np.ndarray, unknown: dict[str, list[str]]) -> None:
        texts: Sequence[str | None] = columns[name]  # type: ignore[assignment]
        tfidf.into(matrix[:, part], texts)

    return make


_BLOCKS: dict[str, Callable[[Mapping[str, Any]], Callable]] = {
    "numerical": _numerical,
    "date": _date,
    "categorical": _categorical,
    "text": _text,
}
