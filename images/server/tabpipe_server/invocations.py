"""MLflow's scoring protocol: what POST /invocations is sent, as columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from components.common.base.errors import nearest
from components.common.tables.missing import MISSING
from tabpipe_server.columns import NAME, Columns, Expected, too_many_rows
from tabpipe_server.errors import bad
from tabpipe_server.json_bodies import read_json
from tabpipe_server.weighing import SMALL, check_csv, check_json

if TYPE_CHECKING:
    from tabpipe_server.settings import Settings

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
HEADER = 1 << 16
"""Bytes in which the end of a CSV's header is looked for."""
_MISSING = frozenset(MISSING)
_BESIDE = {"params", "signature_name"}
_RULE = "an object with one of " + ", ".join(FORMATS) + ", and optionally params"


@dataclass(slots=True)
class Params:
    """What a request says besides its rows."""

    probabilities: bool = False
    intervals: bool = False
    extra_columns: str | None = None
    key: str | None = None


@dataclass(slots=True)
class Sent:
    """A request that was read, and not yet compared with the model."""

    params: Params
    form: str
    content: Any
    long: bool = False
    """Whether a cell may be over the limit."""
    texts: bool = False
    size: int = 0
    """Bytes of the body."""
    id: str | None = None
    outputs: list[str] = field(default_factory=list)


_PLAIN = Params()


def read_document(settings: Settings, body: bytes) -> Sent:
    """Reads a JSON body.

    Raises:
        Unanswered: It is not JSON, or has too many values, or not MLflow's shape.
    """
    check_json(body, settings.max_bytes)
    document = read_json(body)
    if type(document) is not dict:
        raise bad("BAD_SHAPE", "the body is no object", value=document, rule=_RULE)
    forms = [name for name in FORMATS if name in document]
    if len(forms) != 1:
        raise bad(
            "BAD_SHAPE",
            "the body has " + (" and ".join(forms) if forms else "no rows"),
            value=None if forms else ", ".join(document)[:100] or "{}",
            rule=_RULE,
            mend='for instance {"dataframe_records": [{…}]}',
        )
    if len(document) > 1:
        for name in document:
            if name != forms[0] and name not in _BESIDE:
                raise bad("BAD_SHAPE", "unknown field", where=name, rule=_RULE, mend=nearest(name[:NAME], _BESIDE))
    params = document.get("params")
    return Sent(params_of(params), forms[0], document[forms[0]], len(body) > settings.max_cell, size=len(body))


def read_csv(settings: Settings, query: bytes, written: tuple[str, str], body: bytes) -> Sent:
    """Reads a CSV with a header line; params stand in the URL's query.

    Args:
        settings: The server's limits.
        query: The URL's query.
        written: Delimiter and encoding, as the champion's training table had them. A header without that delimiter is
            read by commas.
        body: The CSV.

    Raises:
        Unanswered: It is no such CSV, or has too many cells or rows.
    """
    delimiter, encoding = written
    if delimiter not in body[:HEADER].partition(b"\n")[0].decode(encoding, "replace"):
        delimiter = ","
    check_csv(body, settings.max_bytes, delimiter)
    lines, empty = [], 0
    try:
        reader = csv.reader(_text(body, encoding), delimiter=delimiter, strict=True)
        for line in reader:
            if line:
                lines.append(line)
            else:
                empty += 1
            if len(lines) > settings.max_rows + 1 or empty > settings.max_rows:
                raise too_many_rows(settings.max_rows)
    except UnicodeDecodeError:
        called, at = encoding.upper().removesuffix("-SIG"), _undecodable(body, encoding)
        raise bad("NOT_CSV", f"the body is not {called}", where=f"byte {at}", rule=called) from None
    except csv.Error as error:
        raise bad(
            "NOT_CSV", f"the CSV cannot be read: {error}", where=f"line {reader.line_num}", rule="RFC 4180"
        ) from None
    if not lines:
        raise bad("NOT_CSV", "the CSV is empty", rule="a header line, then one line per row")
    given: dict[str, Any] = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else {}
    for name in ("probabilities", "intervals"):
        if given.get(name) in ("true", "false"):
            given[name] = given[name] == "true"
    return Sent(params_of(given), "csv", lines, len(body) > settings.max_cell, texts=True, size=len(body))


def _text(body: bytes, encoding: str) -> Iterable[str]:
    """The lines; of a large body piece by piece, for as a text the whole of it may take four times the memory."""
    if len(body) <= SMALL:
        return io.StringIO(body.decode(encoding), newline="")
    return io.TextIOWrapper(io.BytesIO(body), encoding, newline="")


def _undecodable(body: bytes, encoding: str) -> int:
    """Where the first byte stands that is not of the encoding."""
    try:
        body.decode(encoding)
    except UnicodeDecodeError as error:
        return error.start
    return len(body)


def params_of(given: Any, strange: bool = False) -> Params:
    """Reads params.

    Args:
        given: An object.
        strange: Whether unknown ones are passed over, as the Open Inference Protocol has it.

    Raises:
        Unanswered: One is unknown or has a wrong value.
    """
    if given is None:
        return _PLAIN
    if type(given) is not dict:
        raise bad("BAD_PARAMS", "params are no object", where="params", value=given, rule="an object")
    read = Params()
    for name, value in given.items():
        if name in ("probabilities", "intervals"):
            if type(value) is not bool:
                raise bad("BAD_PARAMS", "not valid", where=f"params.{name}", value=value, rule="true or false")
            setattr(read, name, value)
        elif name == "extra_columns":
            if value not in ("refuse", "ignore"):
                raise bad("BAD_PARAMS", "not valid", where="params.extra_columns", value=value, rule="refuse or ignore")
            read.extra_columns = value
        elif name == "key":
            if type(value) is not str or not 0 < len(value) <= 256:
                raise bad("BAD_PARAMS", "not valid", where="params.key", value=value, rule="1 to 256 characters")
            read.key = value
        elif not strange:
            known = ("probabilities", "intervals", "extra_columns", "key")
            raise bad(
                "BAD_PARAMS",
                "unknown",
                where=f"params.{name}"[:100],
                rule=f"one of {', '.join(known)}",
                mend=nearest(name[:NAME], known),
            )
    return read


def columns_of(sent: Sent, expected: Expected) -> tuple[Columns, int]:
    """The rows as columns of the model that answers.

    Raises:
        Unanswered: They have not the shape, or not the columns.
    """
    form, content = sent.form, sent.content
    asked = sent.params.extra_columns
    ignore = expected.ignore_extra if asked is None else asked == "ignore"
    if form == "dataframe_split":
        if type(content) is not dict or type(content.get("columns")) is not list or "data" not in content:
            raise bad("BAD_SHAPE", "not valid", where=form, value=content, rule='{"columns": [names], "data": [rows]}')
        columns, rows = expected.from_lists(content["columns"], content["data"], ignore, "dataframe_split.data")
    elif form == "csv":
        columns, rows = expected.from_lists(content[0], content[1:], ignore, "csv")
        columns = {name: [None if value in _MISSING else value for value in values] for name, values in columns.items()}
    elif form == "dataframe_records":
        if type(content) is not list:
            raise bad("BAD_SHAPE", "not valid", where=form, value=content, rule="a list of objects, column to value")
        columns, rows = expected.from_records(content, ignore, form)
    else:
        columns, rows = _tensors(form, content, expected, ignore)
    if sent.long:
        expected.check_cells(columns)
    return columns, rows


def _tensors(form: str, content: Any, expected: Expected, ignore: bool) -> tuple[Columns, int]:
    """`instances` and `inputs`: objects, lists in the order of the model's columns, or an object of columns."""
    if type(content) is dict:
        return expected.from_columns(content, ignore, form)
    if type(content) is not list:
        raise bad("BAD_SHAPE", "not valid", where=form, value=content, rule="a list of rows, or an object of columns")
    first = content[0] if content else None
    if type(first) is dict:
        return expected.from_records(content, ignore, form)
    if content and type(first) is not list and len(expected.names) == 1:
        content = [[value] for value in content]
    return expected.from_lists(expected.names, content, ignore, form)
