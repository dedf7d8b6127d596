"""Rows of all kinds in all forms: what is answered is what scikit-learn says, and what is refused is at fault."""

import csv
import datetime
import gzip
import io
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from components.common.inference.saved_model import load
from components.common.inference.sklearn_predict import ask
from components.common.tables.missing import MISSING
from images.server.tests.running import answer_of, request, running

pytestmark = pytest.mark.run

KINDS = {
    "girth": "numerical",
    "height": "numerical",
    "bark": "categorical",
    "place": "categorical",
    "note": "text",
    "by": "text",
    "seen": "date",
}
DERIVED = {"slim": ["height", "girth"], "gap": ["girth", "height"]}
NAMES = list(KINDS)
PLAIN = {"girth": 210.5, "height": 12, "bark": "oak", "place": "hill", "note": "old tree", "by": "A", "seen": None}
TOO_LARGE = 1e6 * float(np.finfo(np.float32).max)
"""So large that it is no float32 after scaling either."""
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs", "infer", "csv")
BOUNDED = settings(
    max_examples=250,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

numbers = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(1, 400),
    st.sampled_from([0, -0.0, 5e-324, 1e-300, 1e38, 3.5e38, -1e39, 1e308, 2**53 + 1, 2**63, -(2**63) - 1, 10**308]),
)
texts = st.text(st.characters(codec="utf-8"), max_size=12)
words = st.sampled_from(
    ["", "oak", "hill", "old tree", "by THE mill", "NaN", "true", "3.0", "\0", "\ufeff", "a\nb", 'a"b,c', "ﬁ İ ß"]
)
moments = st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30))
dates = st.one_of(
    moments.map(lambda moment: moment.date().isoformat()),
    moments.map(datetime.datetime.isoformat),
    st.builds(lambda moment, zone: moment.isoformat() + zone, moments, st.sampled_from(["Z", "+05:30", "-11:00"])),
)
no_dates = st.sampled_from(["yesterday", "now", "2026-02-30", "2026-13-01", "31.12.2026", "20", "2026-01-01T25:00", 7])
nothing = st.sampled_from([[], [1], {}, {"a": None}, [[["x"]]], ["oak"]])
GOOD = {
    "numerical": st.one_of(st.none(), st.booleans(), numbers),
    "categorical": st.one_of(st.none(), st.booleans(), numbers, texts, words),
    "text": st.one_of(st.none(), texts, words),
    "date": st.one_of(st.none(), dates),
}
ANY = st.one_of(st.none(), st.booleans(), numbers, texts, words, dates, no_dates, nothing)


@st.composite
def tables(draw):
    """Rows with mostly good values, here and there any."""
    rows = [{name: draw(GOOD[kind]) for name, kind in KINDS.items()} for _ in range(draw(st.integers(1, 4)))]
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        draw(st.sampled_from(rows))[draw(st.sampled_from(NAMES))] = draw(ANY)
    return rows


class Asking:
    """A connection that is kept."""

    def __init__(self, server):
        self._server, self._open = server, None

    def __call__(self, body, path="/invocations", **headers):
        """Status, document and headers of an answer, whose outer form is checked."""
        sent = request(body, **headers).replace(b"/invocations", path.encode(), 1)
        for last in (False, True):
            self._open = self._open or self._server.connect()
            try:
                self._open.settimeout(20)
                self._open.sendall(sent)
                status, told, body = answer_of(self._open)
                break
            except ConnectionError:
                self._open = None
                assert not last
        if told.get("connection") == "close":
            self._open = None
        assert told["content-type"] == "application/json"
        document = json.loads(body)
        assert document["request_id"] == told["x-request-id"] if path == "/invocations" else True
        if status != 200:
            _check_error(status, document, told, path)
        return status, document

    def rows(self, rows, form="dataframe_records"):
        """Asks rows in a form; probabilities too."""
        return self(*_sent(rows, form)[:2], **_sent(rows, form)[2])


def _check_error(status, document, told, path):
    assert 400 <= status < 500, document
    plain = path.startswith("/v2")
    fault = document["fault"] if plain else document["error"]
    assert isinstance(document["error"], str) is plain
    assert fault["code"]
    assert fault["code"] == fault["code"].upper()
    assert fault["message"]
    assert document["error_code"] == "BAD_REQUEST"
    assert fault["message"] in document["message"]
    assert document["request_id"] == told["x-request-id"]


def _sent(rows, form):
    """Body, path and headers of rows in a form."""
    params = {"params": {"probabilities": True}}
    lists = [[row[name] for name in NAMES] for row in rows]
    if form == "csv":
        lines = io.StringIO(newline="")
        csv.writer(lines).writerows([NAMES, *([_cell(value) for value in values] for values in lists)])
        return lines.getvalue().encode("utf-8"), "/invocations?probabilities=true", {"Content_Type": "text/csv"}
    if form == "infer":
        document = {"inputs": [_tensor(name, [row[name] for row in rows]) for name in NAMES]}
        return document | {"parameters": params["params"]}, "/v2/models/trees/infer", {}
    document = {
        "dataframe_split": {"columns": NAMES, "data": lists},
        "dataframe_records": rows,
        "instances": lists,
        "inputs": {name: [row[name] for row in rows] for name in NAMES},
    }[form]
    return {form: document} | params, "/invocations", {}


def _cell(value):
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _tensor(name, values):
    types = {type(value) for value in values if value is not None}
    datatype = "BOOL" if types == {bool} else "FP64" if types and types <= {int, float} else "BYTES"
    return {"name": name, "shape": [len(values)], "datatype": datatype, "data": values}


def at_fault(kind, value):
    """Whether a JSON value is plainly not of its kind, by rules that are written down here once more."""
    if value is None:
        return False
    if isinstance(value, (list, dict)):
        return True
    if kind == "numerical":
        return isinstance(value, str) or abs(float(value)) > TOO_LARGE
    if kind == "date":
        return not isinstance(value, str) or (bool(value) and not _is_date(value))
    return False


def _is_date(text):
    try:
        return text[:4].isdigit() and not pd.isna(pd.to_datetime(text, format="ISO8601", utc=True))
    except (ValueError, OverflowError):
        return False


@pytest.fixture(scope="module")
def server(trees_folder, tmp_path_factory):
    with running(trees_folder, tmp_path_factory.mktemp("property")) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def asking(server):
    return Asking(server)


@pytest.fixture(scope="module")
def pipeline(trees_folder):
    return load(trees_folder)[0]


def said(pipeline, rows):
    """What scikit-learn says: classes, probabilities."""
    columns = {}
    for name, kind in KINDS.items():
        values = [row[name] for row in rows]
        if kind == "numerical":
            columns[name] = np.array([math.nan if v is None else float(v) for v in values])
        elif kind == "date":
            columns[name] = pd.Series([v or None for v in values], dtype=object)
        else:  # JSON has no more than one kind of number: those beyond 64 bits are floats
            columns[name] = pd.Series(
                [float(v) if type(v) is int and not -(2**63) <= v < 2**64 else v for v in values], dtype=object
            )
    return ask(pipeline, pd.DataFrame(columns))


def _answered(pipeline, rows):
    try:
        said(pipeline, rows)
    except ValueError:
        return False
    return True


def answer_in(document, form):
    """Predictions and probabilities of an answer."""
    if form != "infer":
        return document["predictions"], document["probabilities"]
    predict, probabilities = document["outputs"]
    return predict["data"], np.reshape(probabilities["data"], probabilities["shape"]).tolist()


@given(rows=tables(), form=st.sampled_from(FORMS[:-1]))
@example(rows=[PLAIN | {"girth": 5e-324, "height": 1e38}], form="inputs")
@example(rows=[PLAIN | {"seen": "9999-12-31T23:59:59-01:00"}], form="inputs")
@example(rows=[PLAIN | {"seen": "0001-01-01T00:00+23:59"}], form="dataframe_split")
@BOUNDED
def test_rows_are_answered_as_scikit_learn_does_or_refused_for_a_fault(asking, pipeline, rows, form):
    wrong = [(at, name) for at, row in enumerate(rows) for name in NAMES if at_fault(KINDS[name], row[name])]
    status, document = asking.rows(rows, form)
    if status == 200:
        assert not wrong
        expected = said(pipeline, rows)
        predicted, probabilities = answer_in(document, form)
        assert predicted == expected.predicted.tolist()
        np.testing.assert_array_equal(probabilities, expected.probabilities)
        return
    fault = document["fault"] if form == "infer" else document["error"]
    if form == "infer" and not wrong:  # the tensor may say a datatype that a column of mixed values has not
        assert len({type(row[fault["column"]]) for row in rows} - {type(None)}) > 1
    assert fault["code"] == "BAD_VALUE"
    at, name = fault["row"], fault["column"]
    assert fault["where"] == f"row {at}, column {name}"
    if form == "infer":
        return
    # The row alone is refused for the same column, the rows before it are not, and without the value it is not that.
    assert at <= min((row for row, _ in wrong), default=at)
    assert any((at, column) in wrong for column in NAMES) or not _answered(pipeline, [rows[at]])
    alone, told = asking.rows([rows[at]], form)
    assert (alone, told["error"]["row"], told["error"]["column"]) == (400, 0, name)
    assert at == 0 or asking.rows(rows[:at], form)[0] == 200
    mended, told = asking.rows([rows[at] | dict.fromkeys(DERIVED.get(name, [name]))], form)
    assert mended == 200 or told["error"]["column"] != name


@given(rows=tables())
@BOUNDED
def test_a_csv_is_answered_as_the_same_values_in_json_are(asking, rows):
    assume(not any(isinstance(value, (list, dict)) for row in rows for value in row.values()))
    status, document = asking.rows(rows, "csv")
    if status != 200:
        fault = document["error"]
        assert fault["code"] in ("BAD_VALUE", "NOT_CSV", "RAGGED_ROWS", "EMPTY")
        if fault["code"] == "BAD_VALUE":
            for column in DERIVED.get(fault["column"], [fault["column"]]):
                assert KINDS[column] in ("numerical", "date")
                assert rows[fault["row"]][column] not in (None, "")
        return
    # An empty text, NA and the like are missing values to a CSV; categories are compared where they are written as
    # texts are.
    same = [{name: None if value in MISSING else value for name, value in row.items()} for row in rows]
    assume(all(isinstance(row[name], (str, type(None))) for row in same for name in NAMES if name not in NAMES[:2]))
    assume(not any(isinstance(row[name], str) for row in same for name in NAMES[:2]))
    status, other = asking.rows(same)
    assert status == 200
    assert document["predictions"] == other["predictions"]
    assert document["probabilities"] == other["probabilities"]


FIELDS = [*FORMS, *NAMES, "columns", "data", "params", "name", "shape", "datatype"]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts, st.sampled_from([*FORMS, *NAMES])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(texts, st.sampled_from(FIELDS)), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(document=JSON, form=st.sampled_from(FORMS[:-1]))
@BOUNDED
def test_any_json_is_answered_or_explained(asking, document, form):
    path = "/v2/models/trees/infer" if form == "infer" else "/invocations"
    status, _ = asking({"inputs" if form == "infer" else form: document}, path)
    assert status == 400
    assert asking(document, path)[0] == 400


@given(
    body=st.one_of(st.binary(max_size=60), texts.map(str.encode)),
    kind=st.sampled_from(["application/json", "text/csv"]),
)
@BOUNDED
def test_any_bytes_are_explained(asking, body, kind):
    assert asking(body, Content_Type=kind)[0] == 400


@pytest.mark.parametrize("depth", [5, 253, 260, 800, 5000, 400_000])
@pytest.mark.parametrize("place", ["cell", "row", "params", "body"])
def test_deep_nesting_is_explained(asking, depth, place):
    deep = b"[" * depth + b"]" * depth
    bodies = {
        "cell": json.dumps({"instances": [PLAIN | {"note": 7.25}]}).encode().replace(b"7.25", deep),
        "row": b'{"instances": [%b]}' % deep,
        "params": b'{"instances": [], "params": %b}' % deep,
        "body": deep,
    }
    assert asking(bodies[place])[0] == 400
    assert asking(bodies[place].replace(b"instances", b"inputs"), "/v2/models/trees/infer")[0] == 400


@pytest.mark.parametrize("shape", [[10**18] * 300, [999] * 30_000], ids=["a large product", "many sizes"])
def test_a_tensor_of_an_absurd_shape_is_explained_at_once(asking, shape):
    inputs = [{"name": "girth", "shape": shape, "datatype": "FP64", "data": [1]}]
    assert asking({"inputs": inputs}, "/v2/models/trees/infer")[0] == 400


@pytest.mark.parametrize("column", ["girth", "bark"])
def test_a_long_row_of_digits_in_a_csv_is_read_at_once(server, column):
    cells = [("1" * 12_000 + "x") if name == column else _cell(PLAIN[name]) for name in NAMES]
    body = "\n".join([",".join(NAMES), ",".join(cells)]).encode()
    assert soon(server, request(body, Content_Type="text/csv"))[0] == (400 if column == "girth" else 200)


def test_a_gzip_of_many_members_is_unpacked_at_once(server):
    body = gzip.compress(b"") * 100_000
    assert soon(server, request(body, Content_Encoding="gzip"))[0] in (400, 413)


def soon(server, sent):
    """The answer to bytes, which must be there before the server could have been kept busy by them."""
    with server.connect() as connection:
        connection.settimeout(3)
        connection.sendall(sent)
        return answer_of(connection)


def test_a_client_that_offers_http_2_is_answered(server):
    offered = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2_Settings": "AAMAAABkAAQAAP__"}
    for _ in range(2):
        status, _, body = soon(server, request({"dataframe_records": [PLAIN]}, **offered))
        assert status == 200, body


def test_a_header_without_end_is_refused(server):
    with server.connect() as connection:
        connection.settimeout(3)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-More: 1\r\n" * 100_000)
        assert 400 <= answer_of(connection)[0] < 500


def test_an_output_is_answered_once(asking):
    asked = [{"name": name} for name in ("predict", "probabilities", "predict")]
    document = {"inputs": _sent([PLAIN], "infer")[0]["inputs"], "outputs": asked}
    assert asking(document, "/v2/models/trees/infer")[0] == 400
