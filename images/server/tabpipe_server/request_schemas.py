"""JSON schemas of requests, made from the signature of the model that answers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tabpipe_server.settings import Settings

Schema = dict[str, Any]
Signature = Mapping[str, Any]
_SHOWN = 20
"""So many known values of a column are shown."""
_TYPES = {"numerical": "Number", "categorical": "Category", "text": "Text", "date": "Date"}


def ref(name: str) -> Schema:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def request_schemas(signature: Signature, settings: Settings) -> dict[str, Schema]:
    """The schemas of everything that is sent as JSON, by name."""
    columns = signature["columns"]
    rows = {"type": "array", "minItems": 1, "maxItems": settings.max_rows}
    record = _object_of(columns, signature["ignored"], settings, _value, {})
    return {
        "Record": record | {"description": "A row: column to value. An absent optional column counts as missing."},
        "Row": {
            "type": "array",
            "description": "A row: values in the order of the signature.",
            "prefixItems": [_value(column) for column in columns],
            "items": False,
            "minItems": len(columns),
            "maxItems": len(columns),
        },
        "Columns": _object_of(
            columns, signature["ignored"], settings, lambda column: rows | {"items": _value(column)}, rows
        )
        | {"description": "Column to its values; all columns have the same number of values."},
        "SplitRequest": _request("dataframe_split", _split(signature, settings, rows)),
        "RecordsRequest": _request("dataframe_records", rows | {"items": ref("Record")}),
        "InstancesRequest": _request("instances", _tensors(columns, rows)),
        "InputsRequest": _request("inputs", _tensors(columns, rows)),
    }


def example_row(signature: Signature) -> dict[str, Any]:
    """A row that the model answers, optional columns without an example left out."""
    columns = signature["columns"]
    return {c["name"]: c["example"] for c in columns if c["example"] is not None or c["required"]}


def request_examples(signature: Signature) -> dict[str, Any]:
    """The same row in each of the JSON shapes, by the shape's name."""
    row = example_row(signature)
    whole = [column["example"] for column in signature["columns"]]
    return {
        "dataframe_records": {"dataframe_records": [row]}
        | ({"params": {"probabilities": True}} if signature["classes"] else {}),
        "dataframe_split": {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}},
        "instances": {"instances": [whole]},
        "inputs": {"inputs": {name: [value] for name, value in row.items()}},
    }


def csv_example(signature: Signature) -> str:
    """The same row as CSV, with its header line."""
    row = example_row(signature)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(row)
    writer.writerow(["" if value is None else value for value in row.values()])
    return out.getvalue()


def _value(column: Mapping[str, Any]) -> Schema:
    """The schema of one column's value."""
    kind = ref(_TYPES[column["kind"]])
    schema: Schema = {"anyOf": [kind, {"type": "null"}]} if column["nullable"] else dict(kind)
    known = column["choices"] or ([] if column["example"] is None else [column["example"]])
    if known:
        schema["examples"] = known[:_SHOWN]
    if column["choices"]:
        schema["description"] = f"{len(column['choices'])} values are known from training."
    return schema


def _object_of(
    columns: Sequence[Mapping], ignored: Sequence[str], settings: Settings, made: Any, other: Schema
) -> Schema:
    """An object with a property for each column."""
    return {
        "type": "object",
        "properties": dict.fromkeys(ignored, other) | {column["name"]: made(column) for column in columns},
        "required": [column["name"] for column in columns if column["required"]],
        "additionalProperties": settings.extra_columns == "ignore",
    }


def _split(signature: Signature, settings: Settings, rows: Schema) -> Schema:
    columns = signature["columns"]
    known = [column["name"] for column in columns] + list(signature["ignored"])
    names: Schema = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    if settings.extra_columns == "refuse":
        names["items"] = {"enum": known} if known else False
    needed = [{"contains": {"const": column["name"]}} for column in columns if column["required"]]
    if needed:
        names["allOf"] = needed
    kinds = [ref(name) for name in sorted({_TYPES[column["kind"]] for column in columns})]
    cell: Schema = {} if signature["ignored"] or not columns else {"anyOf": [*kinds, {"type": "null"}]}
    return {
        "type": "object",
        "description": "What pandas writes with orient='split'. Columns in any order; each row has a value per column.",
        "properties": {
            "columns": names,
            "data": rows | {"items": {"type": "array", "items": cell}},
        },
        "required": ["columns", "data"],
    }


def _tensors(columns: Sequence[Mapping], rows: Schema) -> Schema:
    shapes = [rows | {"items": ref("Record")}, rows | {"items": ref("Row")}, ref("Columns")]
    if len(columns) == 1:
        shapes.append(rows | {"items": _value(columns[0])})
    return {"anyOf": shapes}


def _request(form: str, schema: Schema) -> Schema:
    beside = {"params": {"anyOf": [ref("Params"), {"type": "null"}]}, "signature_name": {}}
    return {
        "type": "object",
        "properties": {form: schema, **beside},
        "required": [form],
        "additionalProperties": False,
    }
