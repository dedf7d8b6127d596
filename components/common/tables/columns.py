"""The names of a table's columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from components.common.base.errors import Refusal

_INDEX = re.compile(r"__index_level_\d+__")


def accepted_names(names: Sequence[str], where: str) -> list[str]:
    """Return the names of the columns, those without one called `Unnamed: N`, N counted from 0, as pandas does.

    Raises:
        Refusal: A name stands more than once.
    """
    found = [name or f"Unnamed: {at}" for at, name in enumerate(names)]
    if doubled := [name for name, count in Counter(found).items() if count > 1]:
        raise Refusal(
            "the name of a column stands more than once",
            where=where,
            value=", ".join(map(repr, doubled)),
            rule="every column has a name of its own",
            mend="rename or remove one of them in the source",
        )
    return found


def is_index(name: str) -> bool:
    """Whether a column is an index without a name, which pandas writes into parquet."""
    return _INDEX.fullmatch(name) is not None


def refuse_nested(name: str, kind: str, where: str) -> Refusal:
    """Word that a declared column holds lists or records."""
    return Refusal(
        "the column holds lists or records",
        where=f"{where}, column {name}",
        value=kind,
        rule="a declared column holds numbers, texts, dates or booleans",
        mend="take it out of `columns`, or write the parts that matter as columns of their own",
    )
