"""What the name of a column says about it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Literal

WORDS = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
"""Words and formats by their meaning."""
_NAMES: dict[str, frozenset[str]] = {meaning: frozenset(names) for meaning, names in WORDS["names"].items()}


def words(name: str) -> list[str]:
    """Return the words of a name in lower case: customerId and CUSTOMER_ID are customer and id."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [word.lower() for word in re.split(r"[^A-Za-z]+", apart) if word]


def has(name: str, meaning: Literal["time", "somebody", "target", "count", "class"]) -> bool:
    """Whether a word of a name has a meaning."""
    return bool(_NAMES[meaning] & {form for word in words(name) for form in (word, word.removesuffix("s"))})


def is_id(name: str) -> bool:
    """Whether it is the name of an identifier."""
    return bool(_NAMES["identifier"] & set(words(name)[-1:]))


def ends_like_id(name: str) -> bool:
    """Whether it may be the name of an identifier, such as customerid; so do humid and paid."""
    return name.lower().endswith(("id", "key", "_no", "_nr", "number"))


def is_index(name: str) -> bool:
    """Whether it is what a table's row numbers or row names are called."""
    found = words(name)
    return len(found) <= 1 and ("".join(found) in _NAMES["index"] or is_id(name))


def is_code(name: str) -> bool:
    """Whether numbers of this name are those of categories."""
    return bool(_NAMES["code"] & set(words(name)[-1:]))


def is_of_somebody(name: str) -> bool:
    """Whether it is the name of a column that says who: patient, customerId, but not customer_age or customers."""
    found = words(name)
    return bool(_NAMES["somebody"] & set(found if is_id(name) else found[-1:])) and not has(name, "count")
