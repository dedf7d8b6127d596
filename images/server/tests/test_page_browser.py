import json
import re
import shlex

import pytest

from images.server.tests.chromium import browser
from images.server.tests.tree_models import asked, server, tree_model

pytestmark = pytest.mark.run

KEY = "a-key-of-the-test"
ENTER, DOWN, ESCAPE = ("Enter", 13, "\r"), ("ArrowDown", 40), ("Escape", 27)
ALERT = "document.querySelector('[role=alert]') !== null"
NOTE = "document.querySelector('#result .note').textContent"
SHOWN = "document.querySelector('.predicted')?.textContent"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return tmp_path_factory.mktemp("trees")


@pytest.fixture(scope="module")
def address(tab, trained, tmp_path_factory):
    with server(tree_model(trained), tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def page(tab, address):
    """The form, freshly opened; nothing may have gone wrong on it at the end."""
    tab.troubles.clear()
    tab.open(f"{address}/")
    yield tab
    assert tab.troubles == []


@pytest.fixture(scope="module")
def at(address):
    """Column to the selector of its control."""
    _, signature = asked(f"{address}/signature")
    return {column["name"]: f"#f{at}" for at, column in enumerate(signature["columns"])}


def predict(page):
    """Presses the button and gives the predicted text."""
    page.js("document.getElementById('result').replaceChildren()")
    page.click("#predict")
    return page.until(SHOWN)


def facts(page):
    """What the page says of the answer, name to text."""
    pairs = page.js(
        "[...document.querySelectorAll('.facts dt')].map(dt => [dt.textContent, dt.nextSibling.textContent])"
    )
    return dict(pairs)


def shown_bars(page):
    script = (
        "[...document.querySelectorAll('.bars li')].map(li => [li.children[0].textContent, li.children[2].textContent])"
    )
    return page.js(script)


def test_example_is_predicted_as_the_server_predicts_it(page, address):
    predicted = predict(page)
    _, signature = asked(f"{address}/signature")
    record = {column["name"]: column["example"] for column in signature["columns"]}
    _, answer = asked(f"{address}/invocations", {"dataframe_records": [record], "params": {"probabilities": True}})
    assert predicted == answer["predictions"][0]
    shares = sorted(zip(answer["classes"], answer["probabilities"][0], strict=True), key=lambda pair: -pair[1])
    bars = shown_bars(page)
    assert sorted(label for label, _ in bars) == sorted(answer["classes"])
    assert [float(share.strip("< %")) for _, share in bars] == pytest.approx([100 * s for _, s in shares], abs=0.11)
    assert bars[0][0] == predicted
    assert page.js(NOTE).startswith(f"90 % set: {predicted}")
    told = facts(page)
    assert (told["Model"], told["Version"], told["Role"]) == ("trees", answer["model_version"], "champion")
    assert told["Request"] and told["Latency"].endswith("ms, network included")


def test_a_changed_field_changes_the_prediction(page, at, address):
    before = predict(page)
    girth = {"ash": "200", "oak": "80", "yew": "200"}[before]
    page.type_into(at["girth"], girth)
    page.type_into(at["bark"], "oak" if girth == "200" else "ash")
    assert predict(page) == ("oak" if girth == "200" else "ash") != before


def test_a_needed_field_left_empty_is_told_at_the_field(page, at):
    page.type_into(at["height"], "")
    page.click("#predict")
    page.until(ALERT)
    invalid = page.js("[...document.querySelectorAll('[aria-invalid=true]')].map(field => '#' + field.id)")
    assert invalid == [at["height"]]
    assert page.js("'#' + document.activeElement.id") == at["height"]
    assert page.js(f"document.getElementById('w{at['height'][2:]}').textContent") == "The model needs this column."
    assert facts(page)["Code"] == "MISSING_COLUMN (400)"
    page.type_into(at["height"], "12")
    assert page.js("document.querySelectorAll('[aria-invalid=true]').length") == 0
    assert predict(page) in ("ash", "oak", "yew")


def test_a_number_beyond_the_model_is_told_at_the_field(page, at):
    page.type_into(at["height"], "1e300")
    page.click("#predict")
    page.until(ALERT)
    assert page.js("document.querySelector('[aria-invalid=true]').id") == at["height"][1:]
    assert facts(page)["Code"] == "BAD_VALUE (400)"


def test_what_is_no_number_is_not_sent(page, at):
    page.type_into(at["height"], "1e")
    page.click("#predict")
    page.until("document.querySelector('[aria-invalid=true]') !== null")
    assert page.js("[...document.querySelectorAll('.wrong')].map(p => p.textContent).join('')") == "No number."
    assert not page.js(SHOWN)


def test_optional_fields_may_be_left_empty(page, at):
    for name in ("girth", "bark", "note", "seen"):
        page.js(f"document.querySelector('{at[name]}').value = ''")
    assert predict(page) in ("ash", "oak", "yew")


def test_a_needed_field_may_be_marked_as_missing(page, at, address):
    field, mark = at["height"], at["height"].replace("f", "g")
    pressed = f"document.querySelector('{mark}').getAttribute('aria-pressed')"
    page.click(mark)
    assert page.js(pressed) == "true" and page.js(f"document.querySelector('{field}').value") == ""
    predicted = predict(page)
    _, signature = asked(f"{address}/signature")
    record = {column["name"]: column["example"] for column in signature["columns"]} | {"height": None}
    _, answer = asked(f"{address}/invocations", {"dataframe_records": [record]})
    assert predicted == answer["predictions"][0]
    page.type_into(field, "7")
    assert page.js(pressed) == "false"


def test_known_choices_are_offered_to_mouse_and_keyboard(page, at):
    place = at["place"]
    listed = f"[...document.getElementById('l{place[2:]}').children].map(li => li.textContent)"
    value = f"document.querySelector('{place}').value"
    page.click(place)
    assert page.js(listed) == ["hill", "river", "town"]
    page.click(f"#l{place[2:]} li:nth-child(3)")
    assert page.js(value) == "town"
    page.type_into(place, "RIV")
    assert page.js(listed) == ["river"]
    page.press(*DOWN)
    page.press(*ENTER)
    assert page.js(value) == "river" and not page.js(SHOWN)
    page.press(*ESCAPE)
    page.press(*ENTER)
    assert page.until(SHOWN) in ("ash", "oak", "yew")


def test_an_unknown_choice_is_said_to_be_unknown_and_answered(page, at):
    hint = f"document.getElementById('n{at['place'][2:]}').textContent"
    assert page.js(hint) == ""
    page.type_into(at["place"], "<b>moon</b>")
    assert "Not a value the model was trained with" in page.js(hint)
    assert predict(page) in ("ash", "oak", "yew")


def test_shown_command_asks_for_the_same_prediction(page, at, address):
    page.type_into(at["note"], 'it\'s "old" & </b> $HOME `x` \\')
    predicted = predict(page)
    command = page.js("document.getElementById('curl').textContent")
    assert command.startswith(f"curl '{address}/invocations'")
    words = shlex.split(command.replace("\\\n", ""))
    status, answer = asked(f"{address}/invocations", words[-1].encode())
    assert status == 200 and answer["predictions"] == [predicted]
    assert json.loads(words[-1])["dataframe_records"][0]["note"] == 'it\'s "old" & </b> $HOME `x` \\'


@pytest.mark.parametrize("width", [1180, 400, 320])
def test_nothing_is_cut_off(page, address, width):
    page.open(f"{address}/", width=width, height=800)
    predict(page)
    assert page.js("document.documentElement.scrollWidth <= innerWidth")


def test_docs_are_shown_with_this_servers_address(page, address):
    page.open(f"{address}/docs")
    commands = page.js("[...document.querySelectorAll('.endpoint pre')].map(pre => pre.textContent)")
    assert commands and all(address in command for command in commands)


def test_a_number_is_predicted_by_a_regression(tab, trained, tmp_path):
    with server(tree_model(trained, "regression"), tmp_path) as address:
        tab.open(f"{address}/")
        assert float(predict(tab).replace(",", "")) > 0
        assert tab.js("document.querySelector('.what').textContent") == "age"
        assert shown_bars(tab) == [] and re.fullmatch(r"90 % interval: [\d.,]+ to [\d.,]+", tab.js(NOTE))


def test_key_is_asked_for_and_kept_out_of_page_and_storage(tab, trained, tmp_path):
    with server(tree_model(trained), tmp_path, api_key=KEY) as address:
        tab.open(f"{address}/")
        assert tab.js("document.getElementById('key-row').hidden")
        tab.click("#predict")
        tab.until("!document.getElementById('key-row').hidden")
        assert facts(tab)["Code"] == "UNAUTHENTICATED (401)"
        tab.type_into("#key", KEY)
        tab.press(*ENTER)
        assert tab.until(SHOWN) in ("ash", "oak", "yew")
        assert KEY not in tab.js("document.getElementById('curl').textContent")
        assert tab.js("localStorage.length + sessionStorage.length + document.cookie.length") == 0


def test_a_server_that_is_gone_is_said_to_be(tab, trained, tmp_path):
    with server(tree_model(trained), tmp_path) as address:
        tab.open(f"{address}/")
    tab.click("#predict")
    tab.until(ALERT)
    assert "No answer from the server" in tab.js("document.getElementById('result').textContent")
    assert not tab.js("document.getElementById('predict').disabled")
