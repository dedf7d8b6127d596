"""The Open Inference Protocol v2: tensors as columns, and answers as tensors."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from tabpipe_server.columns import Columns, Expected
from tabpipe_server.errors import bad
from tabpipe_server.invocations import Sent, params_of
from tabpipe_server.json_bodies import read_json
from tabpipe_server.weighing import check_json

if TYPE_CHECKING:
    from components.common.inference import Answered, Predictor
    from components.common.inference.intervals import Intervals
    from tabpipe_server.models import Served
    from tabpipe_server.settings import Settings

PREDICT, PROBABILITIES, INTERVALS = "predict", "probabilities", "intervals"
_OUTPUTS = (PREDICT, PROBABILITIES, INTERVALS)
_NONE = type(None)
_INT: set[type] = {int, _NONE}
_FLOAT: set[type] = {int, float, _NONE}
_RANGES = {f"INT{n}": (-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (8, 16, 32, 64)} | {
    f"UINT{n}": (0, 2**n - 1) for n in (8, 16, 32, 64)
}
_TYPES: dict[str, set[type]] = {
    "BOOL": {bool, _NONE},
    "BYTES": {str, _NONE},
    **dict.fromkeys(_RANGES, _INT),
    **dict.fromkeys(("FP16", "FP32", "FP64"), _FLOAT),
}
_INPUT = '{"name": …, "shape": [rows] or [rows, 1], "datatype": …, "data": […]}'


def read_tensors(settings: Settings, body: bytes) -> Sent:
    """Reads a request to infer.

    Raises:
        Unanswered: It is not JSON, or has too many values, or not the protocol's shape.
    """
    check_json(body, settings.max_bytes)
    document = read_json(body)
    if type(document) is not dict or type(document.get("inputs")) is not list:
        raise bad("BAD_SHAPE", "there are no inputs", value=document, rule='an object {"inputs": [tensors]}')
    identity = document.get("id")
    if identity is not None and type(identity) is not str:
        raise bad("BAD_SHAPE", "not valid", where="id", value=identity, rule="a string")
    outputs = document.get("outputs")
    names = [] if outputs is None else _output_names(outputs)
    parameters = params_of(document.get("parameters"), strange=True)
    long, size = len(body) > settings.max_cell, len(body)
    return Sent(parameters, "tensors", document["inputs"], long, size=size, id=identity, outputs=names)


def _output_names(outputs: Any) -> list[str]:
    if type(outputs) is not list:
        raise bad("BAD_SHAPE", "not valid", where="outputs", value=outputs, rule='a list of {"name": …}')
    names: list[Any] = [output.get("name") if type(output) is dict else None for output in outputs]
    for at, name in enumerate(names):
        if name not in _OUTPUTS:
            raise bad(
                "UNKNOWN_OUTPUT",
                "the model has no such output",
                where=f"outputs[{at}]",
                value=outputs[at],
                rule=f"{PREDICT}, of a classification {PROBABILITIES}, and {INTERVALS} where the model has them",
            )
    if len(set(names)) < len(names):
        raise bad("UNKNOWN_OUTPUT", "an output is asked for twice", where="outputs", rule="each output once")
    return names


def columns_of_tensors(sent: Sent, expected: Expected) -> tuple[Columns, int]:
    """The tensors as columns of the model that answers.

    Raises:
        Unanswered: They have not the shape, or not the columns.
    """
    inputs, asked = sent.content, sent.params.extra_columns
    ignore = expected.ignore_extra if asked is None else asked == "ignore"
    if not inputs:
        raise bad("EMPTY", "the request has no rows", where="inputs", rule="at least one tensor", mend="send a row")
    if len(inputs) == 1 and _wide(inputs[0], expected):
        return _matrix(inputs[0], expected)
    columns: Columns = {}
    for at, tensor in enumerate(inputs):
        name, values = _column(at, tensor)
        if name in columns:
            raise bad(
                "DUPLICATE_COLUMN", "the tensor is there twice", where=f"inputs[{at}], column {name}", column=name
            )
        columns[name] = values
    columns, rows = expected.from_columns(columns, ignore, "inputs")
    if sent.long:
        expected.check_cells(columns)
    return columns, rows


def _wide(tensor: Any, expected: Expected) -> bool:
    """Whether it is one tensor with all columns."""
    shape = tensor.get("shape") if type(tensor) is dict else None
    return type(shape) is list and len(shape) == 2 and (shape[1] != 1 or tensor.get("name") not in expected.names)


def _checked(at: int, tensor: Any) -> tuple[str, list[int], str, list[Any]]:
    """A tensor's parts, each of its type, and the data of the shape's size."""
    where = f"inputs[{at}]"
    if type(tensor) is not dict:
        raise bad("BAD_SHAPE", "the tensor is no object", where=where, value=tensor, rule=_INPUT)
    name, shape, datatype, data = (tensor.get(part) for part in ("name", "shape", "datatype", "data"))
    if type(name) is not str:
        raise bad("BAD_SHAPE", "the tensor has no name", where=where, value=name, rule=_INPUT)
    where = f"{where}, column {name}"
    if (
        type(shape) is not list
        or not 1 <= len(shape) <= 2
        or not all(type(size) is int and size >= 0 for size in shape)
    ):
        raise bad("BAD_SHAPE", "not valid", where=f"{where}, shape", value=shape, rule="[rows] or [rows, 1]")
    if type(datatype) is not str or datatype not in _TYPES:
        raise bad("BAD_DATATYPE", "not valid", where=f"{where}, datatype", value=datatype, rule=", ".join(_TYPES))
    if type(data) is not list:
        raise bad("BAD_SHAPE", "not valid", where=f"{where}, data", value=data, rule="a list, nested or flat")
    if data and type(data[0]) is list:
        rows = shape[0]
        width = prod(shape[1:])
        if len(data) != rows or not all(type(row) is list and len(row) == width for row in data):
            raise bad("BAD_SHAPE", "the data are not of the shape", where=where, value=shape, rule=_INPUT)
        data = [value for row in data for value in row]
    elif len(data) != prod(shape):
        message = f"the tensor has {len(data)} values, its shape has room for {prod(shape)}"
        raise bad("BAD_SHAPE", message, where=where, value=shape, rule=_INPUT)
    return name, shape, datatype, data


def _column(at: int, tensor: Any) -> tuple[str, list[Any]]:
    name, shape, datatype, data = _checked(at, tensor)
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise bad(
            "BAD_SHAPE", "a column's tensor has one value per row", where=f"inputs[{at}], column {name}", value=shape,
            rule="[rows] or [rows, 1]; one tensor [rows, columns] alone, where all columns are numerical",
        )  # fmt: skip
    _check_type(data, datatype, name, 1)
    return name, data


def _check_type(data: list[Any], datatype: str, name: str, width: int) -> None:
    """Refuses values that the tensor's datatype has not."""
    types = _TYPES[datatype]
    low, high = _RANGES.get(datatype, (None, None))
    if types.issuperset(map(type, data)) and (
        low is None or all(value is None or low <= value <= high for value in data)
    ):
        return
    for place, value in enumerate(data):
        if type(value) not in types or (low is not None and value is not None and not low <= value <= high):
            raise bad(
                "BAD_VALUE",
                "the value is not of the tensor's datatype",
                where=f"row {place // width}, column {name}",
                value="null" if value is None else value,
                rule=datatype if low is None else f"{datatype}: a whole number from {low} to {high}",
                mend="mend the value or the datatype; null stands for a missing value",
                row=place // width,
                column=name,
            )


def _matrix(tensor: dict[str, Any], expected: Expected) -> tuple[Columns, int]:
    """One tensor [rows, columns] in the order of the model's columns."""
    name, shape, datatype, data = _checked(0, tensor)
    width = len(expected.names)
    if not expected.numerical or datatype == "BYTES":
        raise bad(
            "BAD_SHAPE",
            "one tensor for all columns is for models with nothing but numerical columns",
            where=f"inputs[0], column {name}",
            value=shape,
            rule=f"one tensor per column: {', '.join(expected.names)}",
        )
    if shape[1] != width:
        rule = f"[rows, {width}], in the order {', '.join(expected.names)}"
        raise bad("BAD_SHAPE", "the tensor has not the model's columns", where="inputs[0]", value=shape, rule=rule)
    expected.check_rows(shape[0])
    _check_type(data, datatype, name, width)
    return {column: data[at::width] for at, column in enumerate(expected.names)}, shape[0]


def answer_tensors(sent: Sent, served: Served, answered: Answered, request_id: str) -> bytes:
    """The answer to a request to infer."""
    rows = len(answered.predicted)
    asked = {PREDICT: True, PROBABILITIES: sent.params.probabilities, INTERVALS: sent.params.intervals}
    wanted = sent.outputs or [name for name in _OUTPUTS if asked[name]]
    outputs = []
    for name in wanted:
        if name == PREDICT:
            datatype = "BYTES" if answered.predicted.dtype == object else "FP64"
            data: Any = answered.predicted.tolist()
            outputs.append({"name": name, "shape": [rows], "datatype": datatype, "data": data})
        elif name == INTERVALS:
            outputs.append(_interval_tensor(intervals_of(served, "outputs"), answered))
        elif answered.probabilities is not None:
            shape = list(answered.probabilities.shape)
            data = np.ascontiguousarray(answered.probabilities).ravel()
            outputs.append({"name": name, "shape": shape, "datatype": "FP64", "data": data})
        else:
            raise bad("UNKNOWN_OUTPUT", "this model has no probabilities", where="outputs", value=name, rule=PREDICT)
    document: dict[str, Any] = {"model_name": served.name, "model_version": served.version, "id": sent.id or request_id}
    parameters: dict[str, Any] = {}
    if served.predictor.classes is not None and len(wanted) > (PREDICT in wanted):
        parameters["classes"] = orjson.dumps(served.predictor.classes).decode()
    if INTERVALS in wanted:
        parameters["level"] = intervals_of(served, "outputs").level
    if parameters:
        document["parameters"] = parameters
    document["outputs"] = outputs
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def intervals_of(served: Served, where: str) -> Intervals:
    """What adds intervals to the answers of a model.

    Raises:
        Unanswered: It has none: 400.
    """
    found = served.predictor.intervals
    if found is None:
        raise bad(
            "NO_INTERVALS",
            "this model has no intervals",
            where=where,
            rule="a model that was trained with train.intervals",
            mend="train it with train.intervals: 0.9, or leave the parameter out",
        )
    return found


def _interval_tensor(intervals: Intervals, answered: Answered) -> dict[str, Any]:
    """The ends of intervals, [rows, 2]; of a classification whether a class is in the set, [rows, classes]."""
    if intervals.classes is None:
        ends = intervals.bounds(answered.predicted)
        return {"name": INTERVALS, "shape": list(ends.shape), "datatype": "FP64", "data": ends.ravel()}
    assert answered.probabilities is not None  # training has refused classifiers without them
    members = intervals.members(answered.probabilities)
    return {"name": INTERVALS, "shape": list(members.shape), "datatype": "BOOL", "data": members.ravel().tolist()}


def metadata(served: Served, versions: list[str]) -> dict[str, Any]:
    """What the protocol tells of a model."""
    predictor: Predictor = served.predictor
    datatypes = {"numerical": "FP64"}
    inputs = [
        {"name": name, "datatype": datatypes.get(kind, "BYTES"), "shape": [-1]}
        for name, kind in predictor.columns.items()
    ]
    outputs = [{"name": PREDICT, "datatype": "BYTES" if predictor.classes else "FP64", "shape": [-1]}]
    if predictor.classes:
        outputs.append({"name": PROBABILITIES, "datatype": "FP64", "shape": [-1, len(predictor.classes)]})
    if predictor.intervals:
        kind, width = ("BOOL", len(predictor.classes)) if predictor.classes else ("FP64", 2)
        outputs.append({"name": INTERVALS, "datatype": kind, "shape": [-1, width]})
    return {
        "name": served.name,
        "versions": versions,
        "platform": "tabpipe_sklearn",
        "inputs": inputs,
        "outputs": outputs,
    }
