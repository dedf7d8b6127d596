"""The page with a form: one control per column of the model, and the prediction beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Template
from typing import Any

from components.common.reports import style
from components.common.reports.html import escape
from tabpipe_server.page.policy import data_island, part, whole_page

_KINDS = {"numerical": "number", "categorical": "category", "text": "text", "date": "date"}
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?))?")


def page_for(signature: Mapping[str, Any] | None) -> str:
    """The whole page for a model.

    Args:
        signature: What `signature_of` returns; None while there is no model.

    Returns:
        HTML that loads nothing else. Its policy stands in it.
    """
    if signature is None:
        body = (
            '<main><header><h1>No model yet</h1><p class="sub">The server is up and waits for its model. '
            '<a href="readyz">/readyz</a> says why.</p></header></main>'
        )
        return whole_page("No model yet", body, styles=_styles())
    columns = signature["columns"]
    body = Template(part("form.html")).substitute(
        target=escape(signature["target"]),
        subtitle=_subtitle(signature),
        remark=_remark(columns),
        fields="\n".join(_field(at, column) for at, column in enumerate(columns)),
        again="Another example" if len(signature.get("examples") or ()) > 1 else "Example",
    )
    return whole_page(
        f"Predict {signature['target']}",
        body + data_island("signature", signature),
        styles=_styles(),
        scripts=[part("choices.js"), part("form.js")],
    )


def _styles() -> list[str]:
    return [style.THEME + style.PAGE + part("form.css")]


def _subtitle(signature: Mapping[str, Any]) -> str:
    kinds = f"one of {len(signature['classes'])} classes" if signature["classes"] else "a number"
    return (
        f"{escape(signature['name'])} · version {escape(signature['version'])} · {escape(signature['role'])} · "
        f"answers with {kinds}"
    )


def _remark(columns: list[Mapping[str, Any]]) -> str:
    optional = sum(not column["required"] for column in columns)
    if not columns:
        return "The model asks for nothing."
    if not optional:
        said = "Every field is needed"
    else:
        said = (
            "Every field may be left empty" if optional == len(columns) else "Fields marked optional may be left empty"
        )
    return said + ("; ∅ says that a value is missing." if any(map(_can_be_missing, columns)) else ".")


def _can_be_missing(column: Mapping[str, Any]) -> bool:
    """Whether null is a value of a column that cannot be left out."""
    return column["required"] and column["nullable"]


def _field(at: int, column: Mapping[str, Any]) -> str:
    name, kind = column["name"], column["kind"]
    about = f'id="f{at}" data-at="{at}" aria-describedby="n{at} w{at}"' + (' aria-required="true"' * column["required"])
    optional = "" if column["required"] else '<span class="may">optional</span>'
    return (
        f'<div class="field {escape(kind)}"><div class="head">'
        f'<label for="f{at}"><span class="name">{escape(name)}</span>'
        f"<small>{_KINDS[kind]}</small>{optional}</label>{_missing(at, column)}</div>{_control(at, column, about)}"
        f'<div class="messages"><p class="hint" id="n{at}"></p><p class="wrong" id="w{at}"></p></div></div>'
    )


def _missing(at: int, column: Mapping[str, Any]) -> str:
    """What says that a value is missing."""
    if not _can_be_missing(column):
        return ""
    return (
        f'<button type="button" class="may" id="g{at}" aria-pressed="false" aria-controls="f{at}" '
        f'aria-label="{escape(column["name"])} is missing" title="The value is missing (null)">∅</button>'
    )


def _control(at: int, column: Mapping[str, Any], about: str) -> str:
    kind, example = column["kind"], column["example"]
    if kind == "text":
        return f'<textarea {about} rows="2">\n{escape(_written(example))}</textarea>'
    value = f'value="{escape(_written(example))}"'
    if kind == "numerical":
        return f'<input {about} type="number" step="any" {value}>'
    if kind == "date":
        found = _STAMP.match(str(example or ""))
        timed = bool(found and found[2] and found[2].strip("0:"))
        stamp = (f"{found[1]}T{found[2]}" if timed else found[1]) if found else ""
        shape = 'type="datetime-local" step="1"' if timed else 'type="date"'
        return f'<input {about} {shape} value="{stamp}">'
    if not column["choices"]:
        return f'<input {about} type="text" spellcheck="false" {value}>'
    return (
        f'<span class="choose"><input {about} type="text" spellcheck="false" role="combobox" aria-expanded="false" '
        f'aria-autocomplete="list" aria-controls="l{at}" {value}>'
        f'<span class="arrow" aria-hidden="true"></span><ul id="l{at}" role="listbox" hidden></ul></span>'
    )


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)
