"""What is sent in each protocol's shapes is answered by the model; what is wrong is explained."""

import gzip
import json
import threading
import time

import numpy as np
import pytest

from images.server.tests.in_process import Asked
from images.server.tests.running import ROW
from tabpipe_server.loading import unfit

NAMES = ["girth", "height", "bark", "place", "note", "by", "seen"]
ROWS = [
    ROW,
    {"girth": 85, "height": 20, "bark": "ash", "place": "town", "note": "", "by": "Bo", "seen": None},
    {"girth": None, "height": 9, "bark": None, "place": "river", "note": None, "by": "Bo", "seen": "2026-07-31"},
]
LISTS = [[row[name] for name in NAMES] for row in ROWS]
COLUMNS = {name: [row[name] for row in ROWS] for name in NAMES}
TYPES = {"girth": "FP64", "height": "INT32"}


@pytest.fixture(scope="module")
def trees(trees_folder):
    return Asked(trees_folder)


@pytest.fixture(scope="module")
def expected(trees):
    return trees.models.champion.predictor.answer(COLUMNS, len(ROWS))


def tensors(rows=ROWS, **changes):
    return [
        {"name": name, "shape": [len(rows)], "datatype": TYPES.get(name, "BYTES"), "data": [row[name] for row in rows]}
        | changes.get(name, {})
        for name in NAMES
    ]


DOCUMENTS = {
    "dataframe_split": {"dataframe_split": {"columns": NAMES, "data": LISTS}},
    "dataframe_split with an index": {"dataframe_split": {"columns": NAMES, "index": [0, 1, 2], "data": LISTS}},
    "columns in another order": {
        "dataframe_split": {"columns": NAMES[::-1], "data": [values[::-1] for values in LISTS]}
    },
    "dataframe_records": {"dataframe_records": ROWS},
    "records in another order of keys": {
        "dataframe_records": [ROWS[0], *(dict(reversed(r.items())) for r in ROWS[1:])]
    },
    "instances, objects": {"instances": ROWS},
    "instances, lists": {"instances": LISTS},
    "instances, columns": {"instances": COLUMNS},
    "inputs, columns": {"inputs": COLUMNS},
    "inputs, lists": {"inputs": LISTS},
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_every_shape_of_mlflow_gives_the_models_answers(trees, expected, document):
    answer = trees.ask(document=document)
    assert answer.status == 200, answer.body
    assert answer.json()["predictions"] == expected.predicted.tolist()
    assert {answer.json()["model_name"], answer.headers["x-model-name"]} == {"trees"}
    assert {answer.json()["model_version"], answer.headers["x-model-version"]} == {"3"}
    assert answer.headers["x-model-role"] == "champion"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_csv_is_answered_like_json(trees, expected):
    lines = [",".join(NAMES), *(",".join("" if v is None else str(v) for v in values) for values in LISTS)]
    answer = trees.ask(body="\r\n".join(lines).encode("utf-8-sig"), content_type="text/csv; charset=utf-8")
    assert answer.status == 200, answer.body
    assert answer.json()["predictions"] == expected.predicted.tolist()
    asked = trees.ask(body="\n".join(lines).encode(), content_type="text/csv", query="probabilities=true")
    np.testing.assert_array_equal(asked.json()["probabilities"], expected.probabilities)


@pytest.mark.parametrize("spelling", ["NA", "null", "NaN", "#N/A"])
def test_missing_values_of_a_csv_are_spelt_as_in_training(trees, spelling):
    values = ["" if value is None else str(value) for value in LISTS[0]]
    for at in range(len(values)):
        pair = [[*values[:at], text, *values[at + 1 :]] for text in ("", spelling)]
        body = "\n".join([",".join(NAMES), *map(",".join, pair)]).encode()
        answer = trees.ask(body=body, content_type="text/csv", query="probabilities=true").json()
        empty, spelt = answer["probabilities"]
        assert empty == spelt, NAMES[at]


def test_probabilities_come_with_their_classes(trees, expected):
    answer = trees.ask(document={"dataframe_records": ROWS, "params": {"probabilities": True}}).json()
    assert answer["classes"] == trees.models.champion.predictor.classes
    np.testing.assert_array_equal(answer["probabilities"], expected.probabilities)


def test_many_rows_in_parts_are_answered_as_one_by_one(trees, expected):
    rows = (ROWS * 700)[:2000]
    answer = trees.ask(document={"dataframe_records": rows, "params": {"probabilities": True}})
    assert answer.json()["predictions"] == (expected.predicted.tolist() * 700)[:2000]
    np.testing.assert_array_equal(answer.json()["probabilities"], np.tile(expected.probabilities, (700, 1))[:2000])


def test_a_fault_in_a_later_part_is_found_at_its_row(trees):
    rows = [dict(ROW) for _ in range(1700)]
    rows[1205]["girth"] = "wide"
    rows[1600]["height"] = []
    answer = trees.ask(document={"dataframe_records": rows})
    assert (answer.status, answer.fault["row"], answer.fault["column"]) == (400, 1205, "girth")
    assert answer.fault["faults"] == 2


def test_tensors_give_the_models_answers(trees, expected):
    nested = {"girth": {"shape": [3, 1], "data": [[row["girth"]] for row in ROWS]}}
    for inputs in (tensors(), tensors(**nested)):
        document = {"id": "a-1", "inputs": inputs, "parameters": {"probabilities": True}}
        answer = trees.ask("/v2/models/trees/infer", document)
        assert answer.status == 200, answer.body
        predict, probabilities = answer.json()["outputs"]
        assert predict == {"name": "predict", "shape": [3], "datatype": "BYTES", "data": expected.predicted.tolist()}
        assert (probabilities["shape"], probabilities["datatype"]) == ([3, 3], "FP64")
        np.testing.assert_array_equal(probabilities["data"], expected.probabilities.ravel())
        assert (answer.json()["id"], answer.json()["model_version"]) == ("a-1", "3")
        assert answer.headers["x-request-id"] == "a-1"
    only = trees.ask("/v2/models/trees/versions/3/infer", {"inputs": tensors(), "outputs": [{"name": "probabilities"}]})
    assert [output["name"] for output in only.json()["outputs"]] == ["probabilities"]


def test_a_regression_answers_with_numbers(regression_folder):
    ages = Asked(regression_folder)
    names = list(ages.models.champion.predictor.columns)
    rows = [{name: ROW.get(name, "oak") for name in names}]
    expected = ages.models.champion.predictor.answer({name: [rows[0][name]] for name in names}, 1).predicted
    assert ages.ask(document={"instances": rows}).json()["predictions"] == expected.tolist()
    refused = ages.ask(document={"instances": rows, "params": {"probabilities": True}})
    assert (refused.status, refused.fault["code"]) == (400, "NO_PROBABILITIES")
    types = {"girth": "FP64", "height": "INT64"}
    inputs = [{"name": n, "shape": [1], "datatype": types.get(n, "BYTES"), "data": [rows[0][n]]} for n in names]
    output = ages.ask("/v2/models/trees/infer", {"inputs": inputs}).json()["outputs"][0]
    assert output == {"name": "predict", "shape": [1], "datatype": "FP64", "data": expected.tolist()}


def test_intervals_are_given_where_they_are_asked_for(trees, expected, regression_folder):
    predictor = trees.models.champion.predictor
    sets = predictor.intervals.sets(expected.probabilities)
    for asked in (
        trees.ask(document={"dataframe_records": ROWS, "params": {"intervals": True}}),
        trees.ask(body=_csv(ROWS), content_type="text/csv", query="intervals=true"),
    ):
        assert (asked.json()["sets"], asked.json()["level"]) == (sets, 0.9)
    document = {"inputs": tensors(), "parameters": {"intervals": True}}
    answer = trees.ask("/v2/models/trees/infer", document).json()
    _, output = answer["outputs"]
    assert (output["name"], output["shape"], output["datatype"]) == ("intervals", [3, 3], "BOOL")
    members = predictor.intervals.members(expected.probabilities)
    assert output["data"] == members.ravel().tolist()
    assert answer["parameters"] == {"classes": json.dumps(predictor.classes, separators=(",", ":")), "level": 0.9}

    ages = Asked(regression_folder)
    predictor = ages.models.champion.predictor
    rows = [{name: ROW.get(name, "oak") for name in predictor.columns}] * 2
    ends = predictor.intervals.bounds(
        predictor.answer({name: [row[name] for row in rows] for name in rows[0]}, 2).predicted
    )
    found = ages.ask(document={"instances": rows, "params": {"intervals": True}}).json()
    assert found["intervals"] == ends.tolist() and found["intervals"][0][0] < found["predictions"][0]
    assert "intervals" not in ages.ask(document={"instances": rows}).json()


def test_intervals_of_a_model_without_them_are_refused(trees_folder):
    without = Asked(trees_folder)
    without.models.champion.predictor.intervals = None
    refused = without.ask(document={"instances": [ROW], "params": {"intervals": True}})
    assert (refused.status, refused.fault["code"]) == (400, "NO_INTERVALS")
    assert "train.intervals" in refused.fault["mend"]
    refused = without.ask("/v2/models/trees/infer", {"inputs": tensors(), "outputs": [{"name": "intervals"}]})
    assert refused.status == 400 and b"NO_INTERVALS" in refused.body


def test_a_challenger_without_intervals_is_not_asked_beside_a_champion_that_has_them(trees, trees_folder):
    champion, challenger = trees.models.champion, Asked(trees_folder).models.champion
    challenger.predictor.intervals = None
    assert "has no intervals" in unfit(champion, challenger)
    assert unfit(challenger, champion) == ""


def _csv(rows):
    lines = [
        ",".join(NAMES),
        *(",".join("" if row[name] is None else str(row[name]) for name in NAMES) for row in rows),
    ]
    return "\n".join(lines).encode()


def one(**changes):
    return {"dataframe_records": [ROW | changes]}


def split(columns=NAMES, data=LISTS):
    return {"dataframe_split": {"columns": columns, "data": data}}


WITHOUT = {name: value for name, value in ROW.items() if name != "height"}
BAD = {
    "no object": ([1], "BAD_SHAPE", ""),
    "no rows": ({}, "BAD_SHAPE", "dataframe_split"),
    "two kinds of rows": ({"instances": [ROW], "inputs": [ROW]}, "BAD_SHAPE", "instances and inputs"),
    "unknown field": ({"instances": [ROW], "param": {}}, "BAD_SHAPE", "params"),
    "unknown param": ({"instances": [ROW], "params": {"probabilites": True}}, "BAD_PARAMS", "probabilities"),
    "param of a wrong type": ({"instances": [ROW], "params": {"probabilities": 1}}, "BAD_PARAMS", "true or false"),
    "params are no object": ({"instances": [ROW], "params": False}, "BAD_PARAMS", "an object"),
    "rows are no list": (split(data="x"), "BAD_SHAPE", "dataframe_split.data"),
    "a row is no list": (split(data=[LISTS[0], 7]), "BAD_SHAPE", "row 1"),
    "ragged rows": (split(data=[LISTS[0], LISTS[1][:-1]]), "RAGGED_ROWS", "row 1"),
    "ragged columns": ({"inputs": COLUMNS | {"by": ["Bo"]}}, "RAGGED_ROWS", "column by"),
    "a column is no list": ({"inputs": COLUMNS | {"by": "Bo"}}, "BAD_SHAPE", "column by"),
    "a column's name is no string": (split(columns=[*NAMES[:-1], 4]), "BAD_SHAPE", "4"),
    "a column's name is a list": (split(columns=[*NAMES[:-1], [4]]), "BAD_SHAPE", "[4]"),
    "duplicate column": (split(columns=[*NAMES[:-1], "by"]), "DUPLICATE_COLUMN", "column by"),
    "unknown column": (one(hight=3), "UNKNOWN_COLUMN", "hight"),
    "unknown column in a later row": ({"instances": [ROW, ROW | {"hight": 3}]}, "UNKNOWN_COLUMN", "row 1"),
    "missing column": ({"instances": [WITHOUT]}, "MISSING_COLUMN", "column height"),
    "misspelt column": ({"instances": [WITHOUT | {"hight": 3}]}, "MISSING_COLUMN", "hight"),
    "missing column in a later row": ({"instances": [ROW, WITHOUT]}, "BAD_VALUE", "row 1, column height"),
    "no rows in split": (split(data=[]), "EMPTY", "at least one"),
    "no rows in records": ({"dataframe_records": []}, "EMPTY", "at least one"),
    "no rows in columns": ({"inputs": {name: [] for name in NAMES}}, "EMPTY", "at least one"),
    "a string for a number": (one(girth="wide"), "BAD_VALUE", "row 0, column girth"),
    "a list for a cell": (one(girth=[1]), "BAD_VALUE", "column girth"),
    "an object for a cell": (one(note={"a": 1}), "BAD_VALUE", "column note"),
    "no date": (one(seen="yesterday"), "BAD_VALUE", "column seen"),
    "a long text": (one(note="x" * 100_001), "CELL_TOO_LONG", "column note"),
}  # fmt: skip


@pytest.mark.parametrize(("document", "code", "said"), BAD.values(), ids=BAD)
def test_a_bad_document_is_explained(trees, document, code, said):
    answer = trees.ask(document=document)
    assert (answer.status, answer.fault["code"]) == (400, code), answer.body
    assert said in answer.json()["message"]
    assert answer.json()["error_code"] == "BAD_REQUEST"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


TEXTS = {
    "empty": (b"", "empty"),
    "cut off": (b'{"instances": [', "not JSON"),
    "not UTF-8": (b'{"instances": "\xff"}', "UTF-8"),
    "nested deeply": (b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "depth"),
    "NaN": (json.dumps(split(data=[LISTS[0], [float("nan"), *LISTS[1][1:]]])).encode(), "row 1, place 0"),
    "infinity": (json.dumps(one(girth=float("inf"))).encode(), "row 0, column girth"),
    "1e400": (json.dumps(one(girth=7.25)).replace("7.25", "-1e400").encode(), "row 0, column girth"),
}


@pytest.mark.parametrize(("body", "said"), TEXTS.values(), ids=TEXTS)
def test_a_body_that_is_not_json_is_explained(trees, body, said):
    answer = trees.ask(body=body)
    assert (answer.status, answer.fault["code"]) == (400, "NOT_JSON")
    assert said in answer.json()["message"]


BAD_TENSORS = {
    "no inputs": ({}, "BAD_SHAPE"),
    "no tensors": ({"inputs": []}, "EMPTY"),
    "a tensor is no object": ({"inputs": [1]}, "BAD_SHAPE"),
    "no name": ({"inputs": [{"shape": [1], "datatype": "FP64", "data": [1]}]}, "BAD_SHAPE"),
    "shape and data differ": ({"inputs": tensors(girth={"shape": [4]})}, "BAD_SHAPE"),
    "shape is no list": ({"inputs": tensors(girth={"shape": 3})}, "BAD_SHAPE"),
    "negative shape": ({"inputs": tensors(girth={"shape": [-3]})}, "BAD_SHAPE"),
    "unknown datatype": ({"inputs": tensors(girth={"datatype": "FP128"})}, "BAD_DATATYPE"),
    "datatype is a list": ({"inputs": tensors(girth={"datatype": ["FP64"]})}, "BAD_DATATYPE"),
    "value of another type": ({"inputs": tensors(girth={"datatype": "INT8"})}, "BAD_VALUE"),
    "value out of range": ({"inputs": tensors(height={"data": [1, 2**31, 3]})}, "BAD_VALUE"),
    "tensor twice": ({"inputs": [*tensors(), tensors()[0]]}, "DUPLICATE_COLUMN"),
    "rows differ": ({"inputs": tensors(by={"shape": [1], "data": ["Bo"]})}, "RAGGED_ROWS"),
    "one tensor for columns of many kinds": (
        {"inputs": [{"name": "x", "shape": [1, 7], "datatype": "FP64", "data": [1] * 7}]}, "BAD_SHAPE",
    ),
    "unknown output": ({"inputs": tensors(), "outputs": [{"name": "scores"}]}, "UNKNOWN_OUTPUT"),
    "id is no string": ({"id": 7, "inputs": tensors()}, "BAD_SHAPE"),
}  # fmt: skip


@pytest.mark.parametrize(("document", "code"), BAD_TENSORS.values(), ids=BAD_TENSORS)
def test_bad_tensors_are_explained_as_the_protocol_has_it(trees, document, code):
    answer = trees.ask("/v2/models/trees/infer", document)
    assert (answer.status, answer.fault["code"]) == (400, code), answer.body
    assert isinstance(answer.json()["error"], str)


BAD_CSV = {
    "empty": (b"", "NOT_CSV"),
    "header only": (",".join(NAMES).encode(), "EMPTY"),
    "ragged": (",".join(NAMES).encode() + b"\n1,2\n", "RAGGED_ROWS"),
    "open quote": (b'girth,"height\n1,2', "NOT_CSV"),
    "not UTF-8": (b"g\xffrth\n1", "NOT_CSV"),
    "a word for a number": (",".join(NAMES).encode() + b"\nwide,1,oak,hill,,Bo,\n", "BAD_VALUE"),
}


@pytest.mark.parametrize(("body", "code"), BAD_CSV.values(), ids=BAD_CSV)
def test_a_bad_csv_is_explained(trees, body, code):
    answer = trees.ask(body=body, content_type="text/csv")
    assert (answer.status, answer.fault["code"]) == (400, code), answer.body


def test_extra_columns_are_ignored_if_so_declared(trees, trees_folder):
    extra = {"dataframe_records": [ROW | {"weight": 3}]}
    assert trees.ask(document=extra).status == 400
    assert trees.ask(document=extra | {"params": {"extra_columns": "ignore"}}).status == 200
    assert trees.ask(document=one(remark="x", slim=1)).status == 200, "derived columns are the model's own"
    lenient = Asked(trees_folder, extra_columns="ignore", id_column="tree")
    assert lenient.ask(document=extra).status == 200
    assert lenient.ask(document=extra | {"params": {"extra_columns": "refuse"}}).status == 400
    assert lenient.ask(document=one(tree=5) | {"params": {"extra_columns": "refuse"}}).status == 200


KINDS = {
    "no content type": (None, 415),
    "a form": ("application/x-www-form-urlencoded", 415),
    "another charset": ("application/json; charset=latin-1", 415),
    "UTF-8 said": ("application/json; charset=UTF-8", 200),
    "in capitals": ("Application/JSON", 200),
}


@pytest.mark.parametrize(("kind", "status"), KINDS.values(), ids=KINDS)
def test_content_types(trees, kind, status):
    assert trees.ask(document=one(), content_type=kind).status == status
    assert trees.ask("/v2/models/trees/infer", {"inputs": tensors()}, content_type=kind).status == status


def test_gzip_is_unpacked_no_further_than_the_limit(trees_folder):
    small = Asked(trees_folder, max_bytes=5000)
    body = json.dumps(one()).encode()
    assert small.ask(body=gzip.compress(body), content_encoding="gzip").status == 200
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) > 5000 or small.ask(body=bomb, content_encoding="gzip").status == 413
    bomb = gzip.compress(b" " * 4_000_000)
    assert len(bomb) < 5000
    assert small.ask(body=bomb, content_encoding="gzip").status == 413
    assert small.ask(body=body, content_encoding="gzip").fault["code"] == "BAD_ENCODING"
    assert small.ask(body=gzip.compress(body)[:-9], content_encoding="gzip").fault["code"] == "BAD_ENCODING"
    assert small.ask(body=body, content_encoding="br").status == 415


def test_limits_of_bytes_and_rows(trees_folder):
    small = Asked(trees_folder, max_bytes=5000, max_rows=4)
    assert small.ask(document={"instances": [ROW] * 4}).status == 200
    many = small.ask(document={"instances": [ROW] * 5})
    assert (many.status, many.fault["code"]) == (413, "TOO_MANY_ROWS")
    assert small.ask(body=b"x" * 5001).status == 413
    assert small.ask(body=b"", content_length="5001").status == 413
    endless = small.ask(chunks=[b" " * 2000] * 1000)
    assert (endless.status, endless.headers["connection"]) == (413, "close")


def test_methods_and_paths(trees):
    for method in ("GET", "PUT", "DELETE"):
        refused = trees.ask(method=method)
        assert (refused.status, refused.headers["allow"]) == (405, "POST, OPTIONS")
    assert trees.ask("/readyz").headers["allow"] == "GET, HEAD, OPTIONS"
    assert trees.ask(method="OPTIONS").status == 204
    for path in ("/nowhere", "/invocations/", "/v2/models/trees/else", "/v2/models/trees/versions/3/infer/x"):
        assert trees.ask(path).status == 404
    assert trees.ask("/v2/models/oaks/infer", {}).fault["code"] == "NO_SUCH_MODEL"
    assert trees.ask("/v2/models/trees/versions/9/infer", {"inputs": tensors()}).fault["code"] == "NO_SUCH_VERSION"


def test_health_and_metadata(trees):
    def get(path):
        return trees.ask(path, method="GET")

    assert get("/ping").body == b"\n"
    assert get("/version").body
    assert get("/v2").json()["name"] == "tabpipe"
    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/health/ready").json() == {"ready": True}
    assert get("/v2/models/trees/ready").json() == {"name": "trees", "ready": True}
    model = get("/v2/models/trees").json()
    assert model["versions"] == ["3"]
    assert [(tensor["name"], tensor["datatype"]) for tensor in model["inputs"]][:3] == [
        ("girth", "FP64"), ("height", "FP64"), ("bark", "BYTES"),
    ]  # fmt: skip
    for path in ("/", "/docs", "/openapi.json", "/signature", "/healthz", "/readyz"):
        assert get(path).status == 200


def test_without_a_model_it_lives_but_is_not_ready():
    empty = Asked(None)
    empty.models.trouble("champion", "the registry is away")
    assert empty.ask("/healthz", method="GET").status == 200
    for path in ("/readyz", "/ping", "/v2/health/ready", "/", "/signature"):
        assert empty.ask(path, method="GET").status == 503
    assert "the registry is away" in empty.ask("/readyz", method="GET").json()["reason"]
    refused = empty.ask(document=one())
    assert (refused.status, refused.fault["code"]) == (503, "NOT_READY")
    assert refused.headers["retry-after"]


def test_the_api_key_guards_predictions_only(trees_folder):
    guarded = Asked(trees_folder, api_key="a-long-secret")
    assert guarded.ask(document=one()).status == 401
    assert guarded.ask(document=one(), x_api_key="wrong").headers["www-authenticate"] == "Bearer"
    assert guarded.ask(document=one(), x_api_key="a-long-secret").status == 200
    assert guarded.ask(document=one(), authorization="bearer a-long-secret").status == 200
    assert guarded.ask(document=one(), authorization="Basic a-long-secret").status == 401
    assert guarded.ask("/v2/models/trees/infer", {"inputs": tensors()}).status == 401
    assert guarded.ask("/metrics", method="GET").status == 200


def test_a_sane_request_id_is_kept(trees):
    assert trees.ask(document=one(), x_request_id="order:7").headers["x-request-id"] == "order:7"
    for strange in ("", "a b", "x" * 129, 'a"b'):
        assert trees.ask(document=one(), x_request_id=strange).headers["x-request-id"] != strange


def test_a_share_of_the_keys_is_the_challengers(trees_folder):
    pair = Asked(trees_folder, challenger=trees_folder, fraction=0.3)
    roles = [pair.ask(document=one(), x_request_key=f"k{at}").headers["x-model-role"] for at in range(200)]
    assert 30 < roles.count("challenger") < 90
    assert roles == [pair.ask(document=one(), x_request_key=f"k{at}").headers["x-model-role"] for at in range(200)]
    by_params = pair.ask(document=one() | {"params": {"key": "k0"}})
    assert by_params.headers["x-model-role"] == roles[0]
    assert pair.ask("/v2/models/trees/versions/4/infer", {"inputs": tensors()}).headers["x-model-role"] == "challenger"


class Kept(list):
    written = dropped = failed = 0
    note = list.append


def test_every_answer_is_noted_and_the_shadow_too(trees_folder):
    noted = Kept()
    pair = Asked(trees_folder, noted, challenger=trees_folder, shadow="true", id_column="tree")
    assert pair.ask(document=one(tree=7), x_request_id="r1", x_request_key="k").headers["x-model-role"] == "champion"
    end = time.monotonic() + 10
    while len(noted) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    entry, shadow = noted
    assert (entry.request_id, entry.key, entry.rows, entry.ids, entry.shadow) == ("r1", "k", 1, [7], False)
    assert (shadow.request_id, shadow.served.role, shadow.shadow) == ("r1", "challenger", True)
    assert shadow.answered.predicted.tolist() == entry.answered.predicted.tolist()
    pair.ask(document=one(girth="wide"))
    assert len(noted) == 2


def test_requests_at_once_are_limited(trees_folder):
    busy = Asked(trees_folder, waiting=1)
    busy.parts.predicting.active = 1
    refused = busy.ask(document=one())
    assert (refused.status, refused.fault["code"], refused.headers["retry-after"]) == (503, "BUSY", "1")
    busy.parts.predicting.active = 0
    assert busy.ask(document=one()).status == 200


def test_an_answer_that_takes_too_long_is_given_up(trees_folder):
    slow = Asked(trees_folder, timeout=0.2)
    held = threading.Event()
    for _ in range(slow.parts.answering.threads):
        slow.parts.answering.later(held.wait)
    try:
        answer = slow.ask(document={"instances": [ROW] * 300})
        assert (answer.status, answer.fault["code"]) == (503, "TIMEOUT")
    finally:
        held.set()


def test_a_failure_of_the_server_is_told_without_its_trace(trees_folder, caplog):
    broken = Asked(trees_folder)
    broken.models.champion.predictor._estimator = None  # as a bug would
    answer = broken.ask(document=one(), x_request_id="r9")
    assert (answer.status, answer.fault["code"]) == (500, "INTERNAL")
    assert "NoneType" not in answer.body.decode()
    assert "r9" in caplog.text
    assert "NoneType" in caplog.text


def test_metrics_count_requests_rows_faults_and_unknown_values(trees_folder):
    fresh = Asked(trees_folder)
    fresh.ask(document=one(bark="birch"))
    fresh.ask(document={"instances": [ROW, ROW]})
    fresh.ask(document=one(girth="wide"))
    fresh.ask("/v2/models/trees/infer", {"inputs": tensors()})
    fresh.ask("/nowhere")
    fresh.ask("/v2/models/oaks", method="GET")
    told = fresh.ask("/metrics", method="GET").body.decode().splitlines()
    for line in (
        'tabpipe_serve_requests_total{code="200",route="invocations"} 2.0',
        'tabpipe_serve_requests_total{code="400",route="invocations"} 1.0',
        'tabpipe_serve_requests_total{code="200",route="infer"} 1.0',
        'tabpipe_serve_requests_total{code="404",route="other"} 1.0',
        'tabpipe_serve_request_seconds_count{route="invocations"} 3.0',
        'tabpipe_serve_rows_total{role="champion"} 6.0',
        'tabpipe_serve_requests_total{code="404",route="model"} 1.0',
        'tabpipe_serve_faults_total{fault="BAD_VALUE"} 1.0',
        'tabpipe_serve_unknown_values_total{column="bark"} 1.0',
        "tabpipe_serve_refused_rows_total 1.0",
        "tabpipe_serve_ready 1.0",
    ):
        assert line in told
    assert any(line.startswith("tabpipe_serve_model_info") and 'version="3"' in line for line in told)


INVENTED = {
    "path": lambda ask, text: ask(f"/{text}", method="GET"),
    "path below a page": lambda ask, text: ask(f"/metrics/{text}", method="GET"),
    "model": lambda ask, text: ask(f"/v2/models/{text}", method="GET"),
    "model to infer with": lambda ask, text: ask(f"/v2/models/{text}/infer", one()),
    "version": lambda ask, text: ask(f"/v2/models/trees/versions/{text}", method="GET"),
    "version to infer with": lambda ask, text: ask(f"/v2/models/trees/versions/{text}/infer", {"inputs": tensors()}),
    "path below a model": lambda ask, text: ask(f"/v2/models/trees/{text}/{text}/{text}", method="GET"),
    "method": lambda ask, text: ask(method=text),
    "method of a page": lambda ask, text: ask("/healthz", method=text),
    "media type": lambda ask, text: ask(document=one(), content_type=f"text/{text}"),
    "encoding": lambda ask, text: ask(document=one(), content_encoding=text),
    "request id and key": lambda ask, text: ask(document=one(), x_request_id=text, x_request_key=text),
    "column": lambda ask, text: ask(document=one(**{text: 1})),
    "column that is ignored": lambda ask, text: ask(
        document=one(**{text: 1}) | {"params": {"extra_columns": "ignore"}}
    ),
    "value": lambda ask, text: ask(document=one(bark=text)),
    "number": lambda ask, text: ask(document=one(girth=text)),
    "output": lambda ask, text: ask(
        "/v2/models/trees/infer", {"inputs": tensors(), "outputs": [{"name": text}], "id": text}
    ),
}


@pytest.mark.parametrize("invented", INVENTED.values(), ids=INVENTED)
def test_what_a_client_makes_up_is_no_label_of_the_metrics(trees_folder, invented):
    fresh = Asked(trees_folder)

    def labels():
        return {line.rpartition(" ")[0] for line in fresh.parts.metrics.text().decode().splitlines()}

    invented(fresh.ask, "made-up-0")
    before = labels()
    for number in range(1, 4):
        invented(fresh.ask, f"made-up-{number}")
    assert labels() == before
    assert not any("made-up" in label for label in before)
