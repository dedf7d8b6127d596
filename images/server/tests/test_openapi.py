import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

import tabpipe_server
from images.server.tests.tree_models import asked, server, tree_model, tree_served
from tabpipe_server.openapi import docs_page, document
from tabpipe_server.schemas import CODES
from tabpipe_server.settings import settings_of

SOURCE = Path(tabpipe_server.__file__).parent
ROW = {"girth": 120.5, "height": 12, "bark": "oak", "place": "hill", "note": "", "by": "Ann", "seen": "2026-03-01"}
LIST = list(ROW.values())


def records(**changes):
    return {"dataframe_records": [ROW | changes]}


def without(*names):
    return {"dataframe_records": [{name: value for name, value in ROW.items() if name not in names}]}


def tensors(**changes):
    kinds = {str: "BYTES", int: "INT64", float: "FP64"}
    inputs = [{"name": n, "shape": [1], "datatype": kinds[type(v)], "data": [v]} for n, v in ROW.items()]
    return {"inputs": [{**tensor, **changes} if tensor["name"] == "girth" else tensor for tensor in inputs]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return tmp_path_factory.mktemp("trees")


@pytest.fixture(scope="module")
def settings(trained):
    return settings_of({"TABPIPE_SERVE_MODEL": str(tree_model(trained)), "TABPIPE_SERVE_NAME": "trees"})


@pytest.fixture(scope="module")
def address(trained, tmp_path_factory):
    variables = {"max_rows": 5, "max_cell": 500}
    with server(tree_model(trained), tmp_path_factory.mktemp("server"), **variables) as address:
        yield address


@pytest.fixture(scope="module")
def told(address):
    """The document as the running server has it."""
    return asked(f"{address}/openapi.json")[1]


def faults(told, schema, value):
    """What of a value does not fit a schema of the document."""
    return [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator({**schema, "components": told["components"]}).iter_errors(value)
    ]


def request_schema(told, path="/invocations"):
    return told["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]


def answer_schema(told, path, method, status):
    answers = told["paths"][path][method]["responses"]
    assert str(status) in answers, f"{method} {path} answered {status}, which the document does not have"
    return answers[str(status)]["content"]["application/json"]["schema"]


def test_document_is_valid_openapi(told):
    OpenAPIV31SpecValidator(told).validate()


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("regression", {}),
        ("classification", {"extra_columns": "ignore", "id_column": "tree", "api_key": "a-key-of-the-test"}),
    ],
    ids=["regression", "lenient and locked"],
)
def test_document_is_valid_whatever_is_set(trained, settings, task, changes):
    found = document("trees", tree_served(trained, task), replace(settings, **changes))
    OpenAPIV31SpecValidator(found).validate()
    for schema in found["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert ("security" in found["paths"]["/invocations"]["post"]) == ("api_key" in changes)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_document_without_a_model_is_valid(settings):
    found = document("trees", None, settings)
    OpenAPIV31SpecValidator(found).validate()
    assert "There is no model yet." in docs_page(found)


def test_names_of_models_are_quoted_in_paths(trained, settings):
    found = document("a b/ü", tree_served(trained), settings)
    assert "/v2/models/a%20b%2F%C3%BC/infer" in found["paths"]
    OpenAPIV31SpecValidator(found).validate()


def test_examples_fit_their_schema_and_are_answered(told, address):
    tried = 0
    for path, methods in told["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        examples = [example["value"] for example in content.get("examples", {}).values()]
        for example in examples + ([content["example"]] if "example" in content else []):
            assert faults(told, content["schema"], example) == []
            version = told["info"]["version"]
            status, answer = asked(address + path.replace("{version}", version), example)
            assert (status, faults(told, answer_schema(told, path, "post", status), answer)) == (200, [])
            tried += 1
    assert tried == 6


ACCEPTED = {
    "records": records(),
    "a whole number": records(girth=120),
    "a boolean for a number": records(height=True),
    "an unknown category": records(place="moon"),
    "a number for a category": records(bark=3.0),
    "null": records(girth=None, bark=None, note=None, seen=None),
    "null where it is required": records(height=None, place=None),
    "absent optional columns": without("girth", "bark", "note", "by", "seen"),
    "a derived column": records(slim="anything"),
    "a moment": records(seen="2026-03-01T10:00:00+02:00"),
    "a local moment": records(seen="2026-03-31T10:00:00.5"),
    "an empty date": records(seen=""),
    "probabilities": {**records(), "params": {"probabilities": True, "key": "k"}},
    "intervals": {**records(), "params": {"intervals": True}},
    "params null": {**records(), "params": None},
    "a signature's name": {**records(), "signature_name": "serving_default"},
    "split": {"dataframe_split": {"columns": list(ROW), "data": [LIST, LIST]}},
    "split with an index": {"dataframe_split": {"index": [0], "columns": list(ROW), "data": [LIST]}},
    "split in another order": {"dataframe_split": {"columns": list(ROW)[::-1], "data": [LIST[::-1]]}},
    "instances of lists": {"instances": [LIST]},
    "instances of objects": {"instances": [ROW]},
    "inputs of columns": {"inputs": {name: [value] * 2 for name, value in ROW.items()}},
    "inputs of columns with a derived one": {"inputs": {name: [value] for name, value in {**ROW, "gap": 1}.items()}},
    "inputs of objects": {"inputs": [ROW]},
    "five rows": {"instances": [LIST] * 5},
}
REFUSED = {
    "a list": [ROW],
    "nothing": {},
    "no rows": {"instances": []},
    "six rows": {"instances": [LIST] * 6},
    "two shapes": {**records(), "instances": [LIST]},
    "an unknown field": {**records(), "parameters": {}},
    "an unknown param": {**records(), "params": {"probability": True}},
    "a wrong param": {**records(), "params": {"probabilities": "yes"}},
    "an empty key": {**records(), "params": {"key": ""}},
    "an unknown column": records(colour="green"),
    "a missing column": without("height"),
    "a string for a number": records(height="tall"),
    "a list for a text": records(note=["a"]),
    "a number for a date": records(seen=20260301),
    "no date": records(seen="soon"),
    "a text that is too long": records(note="x" * 501),
    "a record that is a list": {"dataframe_records": [LIST]},
    "a row that is too short": {"instances": [LIST[:-1]]},
    "a row that is too long": {"instances": [[*LIST, 1]]},
    "a column twice": {"dataframe_split": {"columns": ["girth", *ROW], "data": [[1, *LIST]]}},
    "split without columns": {"dataframe_split": {"data": [LIST]}},
    "a split's missing column": {"dataframe_split": {"columns": list(ROW)[2:], "data": [LIST[2:]]}},
    "a split's unknown column": {"dataframe_split": {"columns": [*ROW, "x"], "data": [[*LIST, 1]]}},
    "columns that are no lists": {"inputs": ROW},
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_document_allows_is_answered(told, address, body):
    assert faults(told, request_schema(told), body) == []
    status, answer = asked(f"{address}/invocations", body)
    assert (status, faults(told, answer_schema(told, "/invocations", "post", status), answer)) == (200, [])


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_the_document_does_not_allow_is_refused(told, address, body):
    status, answer = asked(f"{address}/invocations", body)
    assert 400 <= status < 500
    assert faults(told, answer_schema(told, "/invocations", "post", status), answer) == []
    # JSON Schema notes formats and does not check them.
    assert body == REFUSED["no date"] or faults(told, request_schema(told), body) != []


TENSORS = {
    "plain": (tensors(), 200),
    "an id and outputs": ({**tensors(), "id": "7", "outputs": [{"name": "probabilities"}]}, 200),
    "nested": (tensors(shape=[1, 1], data=[[3.5]]), 200),
    "null": (tensors(data=[None]), 200),
    "an integer": (tensors(datatype="UINT8", data=[255]), 200),
    "an integer out of range": (tensors(datatype="UINT8", data=[256]), 400),
    "a string for a number": (tensors(data=["3.5"]), 400),
    "no datatype": (tensors(datatype="TEXT"), 400),
    "no such output": ({**tensors(), "outputs": [{"name": "shap"}]}, 400),
    "no inputs": ({"inputs": []}, 400),
}


@pytest.mark.parametrize(("body", "expected"), TENSORS.values(), ids=TENSORS)
def test_tensors_are_as_documented(told, address, body, expected):
    path = "/v2/models/trees/infer"
    assert (faults(told, request_schema(told, path), body) == []) == (expected == 200)
    status, answer = asked(address + path, body)
    assert (status, faults(told, answer_schema(told, path, "post", status), answer)) == (expected, [])


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/invocations", "text/plain"), ("/v2/models/trees/infer", "text/csv"), ("/invocations", "application/json")],
    ids=["415", "415 of the protocol", "413"],
)
def test_other_refusals_are_as_documented(told, address, path, kind):
    body = b" " * (10_000_001 if kind == "application/json" else 1)
    status, answer = asked(address + path, body, {"Content-Type": kind})
    assert status == (413 if kind == "application/json" else 415)
    assert faults(told, answer_schema(told, path, "post", status), answer) == []


def test_everything_that_is_read_is_as_documented(told, address):
    version = told["info"]["version"]
    for path, methods in told["paths"].items():
        if "get" not in methods:
            continue
        found = methods["get"]["responses"]["200"]["content"]
        status, answer = asked(address + path.replace("{version}", version))
        assert status == 200, path
        schema = found.get("application/json", {}).get("schema")
        if schema is not None:
            assert faults(told, schema, answer) == [], path
    for path in ("/v2/models/{name}", "/v2/models/{name}/ready", "/v2/models/{name}/versions/0"):
        documented = "/v2/models/trees" + path.removeprefix("/v2/models/{name}").replace("0", "{version}")
        status, answer = asked(address + path.format(name="trees" if "0" in path else "bushes"))
        assert status == 404
        assert faults(told, answer_schema(told, documented, "get", 404), answer) == []


def test_every_code_of_the_source_is_documented():
    found = set()
    for file in SOURCE.glob("*.py"):
        for status, code in re.findall(r'(?:bad\(|Unanswered\(\s*(\d{3}),)\s*"([A-Z_]+)"', file.read_text()):
            found.add((int(status or 400), code))
    assert found == {(status, code) for status, codes in CODES.items() for code in codes}
