"""How the numbers of a column of texts are written: decimals, groups of digits, currency, units, percent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.common.inference.values import converted
from tabpipe.draft.markers import is_marker, spellings
from tabpipe.draft.names import WORDS

_CURRENCIES = frozenset(WORDS["numbers"]["currencies"])
_LEAST_OF_UNIT = 10
"""So many different numbers have one unit behind them, or it is the name of a category ("36 months")."""
_MOST_WORDS, _RARE = 2, 0.05
"""Most different words between numbers that are taken as spellings of a missing value, and their share."""
_CODE = re.compile(r"[+-]?0[0-9]+")
_AFTER_COMMA = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+")
_BY_POINTS = re.compile(r"(?<![0-9])[1-9][0-9]{0,2}(\.[0-9]{3})+(?![0-9.,])")
_HEAD = 20
"""So many texts are looked at first."""
_DIGITS = 15
"""Digits that a float holds; longer whole numbers are codes."""


@dataclass
class Written:
    """How the numbers of a column are written."""

    way: dict[str, Any] = field(default_factory=dict)
    """As `inference.values` takes it; without missing."""
    marks: list[str] = field(default_factory=list)
    """Texts among them that stand for a missing value."""
    other: dict[str, Any] | None = None
    """Another way that all of them fit too, of another meaning."""
    said: str = ""
    """The way in words."""


def is_code(counts: Mapping[str, int]) -> bool:
    """Whether digits are no quantity: zeros lead some of them, or they are longer than a number may be.

    Args:
        counts: Text to how often it stands there.
    """
    digits = [text.strip() for text in counts if not is_marker(text)]
    return any(_CODE.fullmatch(text) for text in digits) or all(
        text.isdigit() and len(text) > _DIGITS for text in digits
    )


def written(counts: Mapping[str, int], delimiter: str) -> Written | None:
    """Tell how the numbers of a column are written.

    Args:
        counts: Text to how often it stands there.
        delimiter: What separates the fields of the table: a semicolon goes with decimal commas.

    Returns:
        The way; None where the texts are no numbers.
    """
    texts = [text for text in counts if not is_marker(text)]
    if not any(character.isdigit() for text in texts[:20] for character in text):
        return None
    if plain := _fitting(texts, counts, {}):
        return plain
    unit = _unit(texts)
    points = [text for text in texts if "." in text]
    for way in _ways(unit, delimiter, bool(points) and all(map(_BY_POINTS.search, points))):
        if found := _fitting(texts, counts, way):
            found.other, found.said = _other(texts, way, delimiter), _words(way)
            return found
    return None


def _ways(unit: dict[str, Any], delimiter: str, grouped_by_points: bool) -> list[dict[str, Any]]:
    marks: list[dict[str, Any]] = [
        {},
        {"thousands": ","},
        {"decimal": ","},
        {"thousands": ".", "decimal": ","},
        {"thousands": " "},
        {"thousands": " ", "decimal": ","},
        {"thousands": "'"},
        {"thousands": "’"},
    ]
    if delimiter == ";":
        marks[1], marks[2] = marks[2], marks[1]
    if unit and grouped_by_points:  # € 1.250 is more than a thousand
        marks.insert(0, marks.pop(3))
    return [{**unit, **mark} for mark in marks if unit or mark]


def _fitting(texts: list[str], counts: Mapping[str, int], way: dict[str, Any]) -> Written | None:
    """The way, if numbers written so are all there is but for spellings of a missing value."""
    if way.get("thousands") == "," and any(text.strip().lstrip("+-").startswith("0,") for text in texts):
        return None  # 0,125 is an eighth
    _, faults = converted(texts[:_HEAD], "numerical", way)
    if any(character.isdigit() for at in faults for character in texts[at]):
        return None
    _, faults = converted(texts, "numerical", way)
    if len(faults) == len(texts):
        return None
    words = [texts[at] for at in faults]
    rare = sum(counts[word] for word in words) <= _RARE * sum(counts.values())
    few = rare and len(words) <= _MOST_WORDS and len(texts) - len(words) >= 10 * len(words)
    if words and not (few and not any(character.isdigit() for word in words for character in word)):
        return None
    return Written(dict(way), spellings([*filter(is_marker, counts), *words]))


def _unit(texts: list[str]) -> dict[str, Any]:
    """What stands before or behind nearly all of the numbers, as a way has it."""
    found: dict[str, int] = {}
    for text in texts:
        if match := re.fullmatch(r"[+-]?\s*(\D*?)\s*[+-]?[0-9][0-9.,' ’\u00a0\u202f]*?\s*(\D*)", text.strip()):
            before, behind = match[1].strip(), match[2].strip()
            if not (before and behind):
                found[f"{before}\0{behind}"] = found.get(f"{before}\0{behind}", 0) + 1
    common = max(found, key=lambda key: found[key], default="\0")
    before, behind = common.split("\0")
    sign = before or behind
    if not sign or found[common] < 0.5 * len(texts):
        return {}
    if behind == "%":
        return {"percent": True}
    money = sign in _CURRENCIES or all(unicodedata.category(one) == "Sc" for one in sign)
    unit = bool(behind) and len(sign) <= 4 and sign.isalpha() and found[common] >= _LEAST_OF_UNIT
    return {"currency": sign} if money or unit else {}


def _other(texts: list[str], way: dict[str, Any], delimiter: str) -> dict[str, Any] | None:
    """The way that 1,234 has another meaning in, if every text is written like that."""
    keys = way.keys() & {"thousands", "decimal"}
    sign = way.get("currency", "")
    plain = [text.replace(sign, "").replace("%", "").strip() for text in texts]
    grouped = [text for text in plain if "," in text]
    if keys not in ({"thousands"}, {"decimal"}) or "," not in (way.get("thousands"), way.get("decimal")):
        return None
    if not all(_AFTER_COMMA.fullmatch(text) for text in grouped) or any(text.count(",") > 1 for text in grouped):
        return None
    rest = {key: value for key, value in way.items() if key not in keys}
    return {**rest, **({"decimal": ","} if "thousands" in keys else {"thousands": ","})}


def _words(way: dict[str, Any]) -> str:
    said = [f"{way.get('currency')} taken off"] * ("currency" in way) + ["percent as shares"] * ("percent" in way)
    said += ["decimal comma"] * (way.get("decimal") == ",")
    said += [f"{way.get('thousands')!r} groups digits"] * ("thousands" in way)
    return ", ".join(said)
