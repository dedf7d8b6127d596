import base64
import hashlib
import json
import re
from copy import copy
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from images.server.tests.tree_models import tree_served
from tabpipe_server.page import page_for, signature_of
from tabpipe_server.page.policy import data_island, whole_page

NASTY = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "it's $target ${x} $$",
    "</textarea><b>",
    "<!--<script>",
    "a\u2028b",
    "x" * 300,
]


class Page(HTMLParser):
    """The elements of a page, and the text of those that hold one."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self._within = [], [], None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._within = len(self.elements) - 1
        self.texts.append("")

    def handle_endtag(self, tag):
        self._within = None

    def handle_data(self, data):
        if self._within is not None:
            self.texts[self._within] += data

    def all(self, tag, **attributes):
        return [
            (found, text)
            for (name, found), text in zip(self.elements, self.texts, strict=True)
            if name == tag and all(found.get(key) == value for key, value in attributes.items())
        ]


def signature(*columns, **changes):
    base = {"name": "trees", "version": "3", "role": "champion", "task": "classification", "target": "kind"}
    return base | {"classes": ["ash", "oak"], "columns": list(columns), "ignored": [], "examples": []} | changes


def column(name, kind="numerical", required=True, choices=None, example=None, nullable=False):
    described = {"name": name, "kind": kind, "required": required, "choices": choices, "example": example}
    return {**described, "nullable": nullable}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    return tree_served(tmp_path_factory.mktemp("trees"))


def test_signature_tells_what_the_model_is_asked_with(served):
    found = signature_of(served)
    assert (found["name"], found["version"], found["role"]) == ("trees", "3", "champion")
    assert (found["task"], found["target"], found["classes"]) == ("classification", "kind", ["ash", "oak", "yew"])
    by_name = {entry["name"]: entry for entry in found["columns"]}
    assert {name: entry["kind"] for name, entry in by_name.items()} == {
        "girth": "numerical",
        "height": "numerical",
        "bark": "categorical",
        "place": "categorical",
        "note": "text",
        "by": "text",
        "seen": "date",
    }
    assert by_name["height"]["required"] and not by_name["girth"]["required"]
    assert by_name["place"]["choices"] == ["hill", "river", "town"]
    assert by_name["height"]["choices"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_choices_that_are_not_known_are_not_an_empty_list(served):
    found = replace(served, predictor=copy(served.predictor))
    found.predictor.choices = {}
    assert {column["choices"] for column in signature_of(found)["columns"]} == {None}


def test_signature_of_a_regression_has_no_classes(tmp_path):
    found = signature_of(tree_served(tmp_path, "regression"))
    assert (found["task"], found["target"], found["classes"]) == ("regression", "age", None)


def test_examples_of_the_signature_are_answered_by_the_model(served):
    found = signature_of(served)
    row = {entry["name"]: [entry["example"]] for entry in found["columns"]}
    assert not served.predictor.answer(row, 1).faults
    for example in found["examples"]:
        assert not served.predictor.answer({name: [value] for name, value in example.items()}, 1).faults


def test_every_column_has_one_labelled_control_with_its_example(served):
    found = signature_of(served)
    page = Page(page_for(found))
    labels = [attributes["for"] for attributes, _ in page.all("label") if attributes["for"] != "key"]
    assert labels == [f"f{at}" for at in range(len(found["columns"]))]
    shape = {"numerical": ("input", "number"), "categorical": ("input", "text"), "date": ("input", "date")}
    for at, entry in enumerate(found["columns"]):
        tag, kind = shape.get(entry["kind"], ("textarea", None))
        [(control, text)] = page.all(tag, id=f"f{at}")
        assert control.get("type") == kind
        assert ("aria-required" in control) == entry["required"]
        given = control.get("value", text.removeprefix("\n"))
        expected = entry["example"] or ""
        if entry["kind"] == "numerical":
            assert float(given) == expected and control["step"] == "any"
        else:
            assert given == (expected[:10] if entry["kind"] == "date" else expected)


def test_fields_that_may_be_left_empty_are_marked():
    page = page_for(signature(column("a"), column("b", required=False)))
    assert page.count('<span class="may">optional</span>') == 1
    assert "Fields marked optional may be left empty." in page
    assert "Every field is needed." in page_for(signature(column("a")))


def test_fields_that_may_be_missing_but_not_left_out_can_be_marked_so():
    page = page_for(signature(column("a"), column("b<", nullable=True)))
    (mark,) = [attributes for attributes, _ in Page(page).all("button") if attributes.get("id", "").startswith("g")]
    assert (mark["id"], mark["aria-controls"], mark["aria-label"]) == ("g1", "f1", "b< is missing")
    assert "Every field is needed; ∅ says that a value is missing." in page


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        ("2019-05-21T00:00:00", "date", "2019-05-21"),
        ("2019-05-21", "date", "2019-05-21"),
        ("2019-05-21T17:03:09.5+00:00", "datetime-local", "2019-05-21T17:03:09"),
        (None, "date", ""),
        ("soon", "date", ""),
    ],
)
def test_dates_are_shown_as_the_browser_wants_them(value, kind, shown):
    [(control, _)] = Page(page_for(signature(column("seen", "date", example=value)))).all("input", id="f0")
    assert (control["type"], control["value"]) == (kind, shown)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3.0, "3"), (1e300, "1e+300"), (-0.1, "-0.1"), (421259.0, "421259"), (True, "true"), (None, "")],
)
def test_numbers_are_shown_as_people_write_them(value, shown):
    [(control, _)] = Page(page_for(signature(column("n", example=value)))).all("input", id="f0")
    assert control["value"] == shown


@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
def test_names_and_values_stay_text(name):
    columns = [column(name, "text", example=name), column(name, "categorical", choices=[name], example=name)]
    given = signature(*columns, name=name, version=name, role=name, target=name, classes=[name])
    plain = Page(page_for(signature(column("a", "text"), column("b", "categorical", choices=["c"]))))
    page = Page(page_for(given))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    [(_, text)] = page.all("script", id="signature")
    assert json.loads(text) == given
    [(_, shown)] = page.all("textarea")
    assert shown.removeprefix("\n") == name


def test_page_runs_nothing_but_its_own_script_and_loads_nothing(served):
    page = page_for(signature_of(served))
    parsed = Page(page)
    policy = next(a["content"] for a, _ in parsed.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(part.split(" ", 1) for part in policy.split("; "))
    assert rules["default-src"] == "'none'" and rules["connect-src"] == "'self'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        texts = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
        assert rules[rule] == " ".join(f"'sha256-{digest}'" for digest in digests)
        assert digests
    assert "unsafe" not in policy
    addresses = [a[key] for _, a in parsed.elements for key in ("src", "href", "action") if key in a]
    assert addresses and not [address for address in addresses if ":" in address and not address.startswith("data:")]
    assert not [
        key for _, attributes in parsed.elements for key in attributes if key.startswith("on") or key == "style"
    ]


def test_page_of_a_wide_model_stays_small():
    wide = [column(f"column {at}") for at in range(198)]
    long = [column(f"c{at}", "categorical", choices=[f"choice {i}" for i in range(2000)]) for at in range(2)]
    assert len(page_for(signature(*wide, *long))) < 200_000


def test_page_without_a_model_says_so():
    page = page_for(None)
    assert "No model yet" in page and "<script>" not in page and "<form" not in page


def test_data_island_keeps_numbers_that_json_has_not_out():
    with pytest.raises(ValueError, match="JSON"):
        data_island("x", {"a": float("nan")})


def test_window_title_is_escaped():
    assert "<title>&lt;/title&gt;</title>" in whole_page("</title>", "")
