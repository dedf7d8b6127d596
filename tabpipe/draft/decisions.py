"""The decisions on a table, one after the other: how it is read, kinds, task, split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal, nearest
from components.common.config.reading import Reading
from components.common.storage.progress import in_words
from components.common.tables.reader import Progress
from tabpipe.draft.kinds import COUNTS_ROWS, decide_kind, nothing_in_it
from tabpipe.draft.leaks import leave_out_leaks
from tabpipe.draft.markers import SYMBOLS
from tabpipe.draft.profile import Profile
from tabpipe.draft.source import Source
from tabpipe.draft.splits import group_column, split_scores, time_column, unstratifiable
from tabpipe.draft.survey import Survey, survey
from tabpipe.draft.task import decide_task, refuse_no_target
from tabpipe.draft.totals import total_up

if TYPE_CHECKING:
    from components.common.config.base import Task

_LEAST_ROWS = 10


@dataclass
class Draft:
    """What was decided on a table."""

    table: str
    rows: int
    columns: list[Profile]
    """All of them, in the order of the table; also those that are left out."""
    nested: list[str]
    """Columns of lists or records, which are not read."""
    reading: dict[str, Any]
    """What download must be told to read the table, but for single columns."""
    target: str = ""
    task: Task | None = None
    why: str = ""
    """Of the task."""
    missing_targets: int = 0
    equal_rows: int = 0
    """Rows that equal an earlier one in every column that is kept."""
    segregate: dict[str, Any] = field(default_factory=dict)
    """Settings of the split that differ from the usual ones."""
    offers: dict[str, Any] = field(default_factory=dict)
    """Further settings of the split, which the reader may want."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """Section of the config to what its reader has to know."""

    @property
    def kept(self) -> list[Profile]:
        """The columns of the config."""
        return [column for column in self.columns if not column.left_out]

    @property
    def features(self) -> list[Profile]:
        """The columns to learn from."""
        return [one for one in self.kept if one.name != self.target and one.kind != "identifier"]

    def column(self, name: str) -> Profile:
        """Return the column of a name."""
        return next(column for column in self.columns if column.name == name)


def draft(table: str, target: str | None, reading: Reading | None = None, say: Callable[[str], None] | None = None):
    """Look at a whole table, in bounded memory, and decide.

    A table that is too long to be held is read twice: once for a sample of its rows, and what is missing and differs;
    then by the decisions on that sample, which must hold for every row or are changed.

    Args:
        table: A file of any format, a folder of part files, or a pattern of them.
        target: The column to predict.
        reading: How the table is written, as far as it is known.
        say: Is told how far it is, now and then.

    Returns:
        A `Draft`.

    Raises:
        Refusal: The table cannot be read, no column of it can be learnt from, or the target is not named or is none.
    """
    source = Source(table, reading or Reading())
    seen = survey(source, _progress(say, "looking"))
    if target is not None and target not in seen.missing:
        raise Refusal(f"there is no column {target!r}", where=table, mend=nearest(target, seen.missing))
    columns = [_profile(name, seen) for name in seen.missing]
    for column in columns:
        decide_kind(column, source.options.get("delimiter", ""), column.name == target)
        if len(source.types.get(column.name, ())) > 1:
            column.notes.append(f"{' and '.join(sorted(source.types[column.name]))} stand in it side by side")
    found = Draft(table, seen.rows, columns, source.left_out, {**source.options, **_shared(columns, source)})
    if target is None:
        raise NoTarget(found)
    batches = [seen.sample] if seen.whole else (batch for _, batch in source.batches(_progress(say, "checking")))
    found.equal_rows = total_up(batches, found.kept, target)
    for column in found.kept:
        if column.name != target:
            nothing_in_it(column)  # now that it is known what is read as missing
    _decide_target(found, target)
    _decide_split(found)
    return found


def _progress(say: Callable[[str], None] | None, doing: str) -> Progress | None:
    return in_words(lambda words: say(f"{doing}: {words}"), 5.0) if say else None


class NoTarget(Refusal):
    """No column to predict was named. `draft` is what is known of the table."""

    def __init__(self, known: Draft):
        words = refuse_no_target(known.columns, known.table)
        super().__init__(words.problem, where=words.where, value=words.value, rule=words.rule, mend=words.mend)
        self.draft = known


def _profile(name: str, seen: Survey) -> Profile:
    import pyarrow.compute as pc

    values = seen.sample[name].combine_chunks()
    given = seen.rows - seen.missing[name]
    distinct = pc.count_distinct(values).as_py() if seen.whole else min(seen.distinct[name], given)
    return Profile(name, values, seen.numbers, seen.rows, seen.missing[name], distinct)


def _shared(columns: list[Profile], source: Source) -> dict[str, Any]:
    """What many columns are written like is said once, of the table."""
    given = source.options
    symbols = {mark for one in columns for mark in one.way.get("missing", ()) if mark.strip() in SYMBOLS}
    missing = [*given.get("missing", ()), *sorted(symbols - set(given.get("missing", ())))]
    numerical = [one for one in columns if one.kind == "numerical" and not one.left_out]
    comma = source.texts and any(one.way.get("decimal") == "," for one in numerical)
    others = (one for one in numerical if "decimal" not in one.way)
    points = comma and any("." in str(text) for one in others for text in one.counts)
    decimal = given.get("decimal") or ("," if comma and not points else None)
    table = {key: value for key, value in {"decimal": decimal, "missing": missing}.items() if value}
    for one in columns:
        own = {**({"decimal": decimal} if decimal else {}), **one.way}
        marks = [*missing, *(mark for mark in own.pop("missing", ()) if mark not in missing)]
        one.way = {**own, **({"missing": marks} if marks else {})}
        if one.other_way is not None:
            one.other_way = {**one.other_way, **({"missing": marks} if marks else {})}
    return table


def _decide_target(found: Draft, target: str) -> None:
    column = found.column(target)
    found.task, found.why = decide_task(column, found.table)
    column.why = "classes" if found.task == "classification" else "numbers"
    if found.task == "classification":
        column.missing = _missing_as_class(column)
    found.target, found.missing_targets = target, column.missing
    if column.given < _LEAST_ROWS:
        raise Refusal(
            "the table is too small",
            where=found.table,
            value=f"{column.given} rows with a target",
            rule=f"{_LEAST_ROWS} rows or more, which are split in three",
            mend="use a larger table",
        )
    features = [one for one in found.kept if one is not column and one.kind != "identifier"]
    leave_out_leaks(features, column, found.task)
    if features and all(one.left_out for one in features):
        for one in features:
            one.notes.append(f"it would be {one.left_out}, but there is no other column to learn from")
            one.left_out = one.why = ""
    _use_row_numbers(found)
    if not found.features:
        reasons = [f"{one.name} ({one.left_out or one.why})" for one in found.columns if one is not column]
        reasons += [f"{name} (lists or records)" for name in found.nested]
        raise Refusal(
            "no column is left to learn from",
            where=found.table,
            value=", ".join(reasons) or f"only {target}",
            rule="at least one column beside the target that is no identifier",
            mend="name another column by --target, or write a config by hand",
        )


def _decide_split(found: Draft) -> None:
    """Split by whom rows belong to, propose to split by time, or do without strata that cannot be."""
    assert found.task is not None
    target, notes = found.column(found.target), found.notes.setdefault("segregate", [])
    if (group := group_column(found.kept, found.target)) and [one for one in found.features if one is not group]:
        found.segregate["group"] = group.name
        group.kind = "identifier"
        group.why = f"{group.distinct:,} different ones in {found.rows:,} rows: rows of one stand in one split"
        notes.append(f"equal values of {group.name} never stand in two splits, or the test would be too easy")
    elif found.task == "classification" and (why := unstratifiable(target)):
        found.segregate["stratify"] = False
        notes.append(why)
    if time := time_column(found.kept, found.target):
        found.offers["by_time"] = time.name
        words = f"rows are in the order of {time.name}"
        if scores := split_scores(found.features, target, found.task, time):
            called = "AUC" if found.task == "classification" else "R²"
            words += (
                f"; {called} of a quick model: {scores[0]:.3f} on rows drawn at random, {scores[1]:.3f} on the latest"
            )
        notes.append(f"{words}. If later rows are to be predicted, split by_time")


def _use_row_numbers(found: Draft) -> None:
    """Row numbers are better than nothing to learn from."""
    if not found.features and (counting := [one for one in found.kept if one.why == COUNTS_ROWS]):
        counting[0].decided("numerical", f"{COUNTS_ROWS}, but there is no other column to learn from")


def _missing_as_class(column: Profile) -> int:
    return column.rows - sum((column.classes or {}).values()) if column.classes else column.missing
