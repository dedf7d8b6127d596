"""Runs listed, shown and compared, as a user does it after some runs of a small table."""

import json
import os
import re
import shutil
import sys
from types import SimpleNamespace

import pytest
import yaml

from tests import forked
from tests.conftest import FRUIT, ROOT, all_tracked, fruit

pytestmark = pytest.mark.run


def call(home, *arguments):
    """Runs a command; its exit code, its JSON document if it printed one, and what it printed."""
    command = [sys.executable, "-m", "tabpipe", *map(str, arguments)]
    environment = {**os.environ, "TABPIPE_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    done = forked.run(command, cwd=ROOT, env=environment, timeout=240)
    document = json.loads(done.stdout) if done.stdout[:1] in ("{", "[") else None
    return SimpleNamespace(code=done.returncode, document=document, out=done.stdout, err=done.stderr)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A home with four runs: as configured, with more trees, with a changed row, and one that failed."""
    folder = tmp_path_factory.mktemp("runs")
    home, source, config = folder / "home", folder / "fruit.csv", folder / "fruit.yaml"
    fruit().to_csv(source, index=False)
    config.write_text(yaml.safe_dump({**FRUIT, "download": {"source": str(source)}}, sort_keys=False))
    runs = [call(home, "run", config, "--json"), call(home, "run", config, "train.n_estimators=9", "--json")]
    changed = fruit()
    changed.loc[0, "weight"] += 1
    changed.to_csv(source, index=False)
    runs.append(call(home, "run", config, "--json"))
    runs.append(call(home, "run", config, "check_data.rows.min=900", "--json"))
    assert [run.code for run in runs] == [0, 0, 0, 1], runs[0].err
    all_tracked(home)  # or a copy of the home is one of a database in mid-write
    return SimpleNamespace(home=home, ids=[run.document["run_id"] for run in runs], runs=[run.document for run in runs])


@pytest.fixture
def own(kept, tmp_path):
    """The same, to change."""
    shutil.copytree(kept.home, tmp_path / "home", symlinks=True)
    return SimpleNamespace(**{**vars(kept), "home": tmp_path / "home"})


def by_name(rows):
    return {row["name"]: row for row in rows}


def test_runs_are_listed_the_newest_first(kept):
    listed = call(kept.home, "runs", "list")
    assert listed.code == 0
    lines = listed.out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == kept.ids[::-1]
    assert [line.split()[2] for line in lines] == ["failed", "succeeded", "succeeded", "succeeded"]
    document = call(kept.home, "runs", "list", "fruit", "--json").document
    assert [run["run_id"] for run in document] == kept.ids[::-1]
    assert document[-1]["metrics"] == kept.runs[0]["metrics"]
    assert document[-1]["commit"] == kept.runs[0]["code"]["commit"]


@pytest.mark.parametrize("name", ["latest", "fruit:latest", "id", "prefix", "fruit:id"])
def test_a_run_is_found_by_its_names(kept, name):
    wanted = kept.ids[2]  # the last good one
    word = {"id": wanted, "prefix": wanted[:-1], "fruit:id": f"fruit:{wanted}"}.get(name, name)
    shown = call(kept.home, "runs", "show", word, "--json")
    assert shown.code == 0, shown.err
    assert shown.document["run_id"] == wanted
    assert shown.document["config"]["train"]["n_estimators"] == 5


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("2", "4 runs begin so"),
        ("nothing", "no run has this name"),
        ("", "no run has this name"),
        ("../fruit", "no run has this name"),
        ("frut:latest", "did you mean 'fruit'"),
    ],
)
def test_a_name_of_no_run_or_of_several_is_refused(kept, name, words):
    refused = call(kept.home, "runs", "show", name)
    assert refused.code == 2 and words in refused.err, refused.err


def test_a_machine_without_runs_says_how_to_make_one(tmp_path):
    assert "tabpipe run iris" in call(tmp_path, "runs", "list").out
    refused = call(tmp_path, "runs", "show", "latest")
    assert refused.code == 2 and "tabpipe run iris" in refused.err


def test_a_changed_parameter_is_told_with_what_came_of_it(kept):
    first, second = kept.ids[:2]
    found = call(kept.home, "runs", "diff", first, second, "--json").document
    assert found["parameters"] == [{"name": "train.n_estimators", "a": 5, "b": 9, "equal": False}]
    differ = {row["name"] for row in found["data"] if not row["equal"]}
    assert "train.model" in differ and not differ & {"checksum", "download.table", "segregate.test"}
    assert all(row["equal"] for row in found["code"] if row["name"].startswith("image of"))
    loss = by_name(found["metrics"])["test.log_loss"]
    assert loss["difference"] == loss["b"] - loss["a"] != 0
    assert loss["a"] == kept.runs[0]["metrics"]["test"]["log_loss"]
    text = call(kept.home, "runs", "diff", first, second).out
    assert re.search(r"train\.n_estimators +5 +9\n", text)
    assert re.search(r"train\.model .* differs\n", text)


def test_a_changed_row_is_told_as_other_data(kept):
    found = call(kept.home, "runs", "diff", kept.ids[0], kept.ids[2], "--json").document
    assert found["parameters"] == []
    data = by_name(found["data"])
    assert data["source"]["equal"] and not data["checksum"]["equal"] and not data["download.table"]["equal"]
    assert "Parameters are equal." in call(kept.home, "runs", "diff", kept.ids[0], kept.ids[2]).out


def test_the_page_has_the_curves_of_both_runs(kept, tmp_path):
    page = tmp_path / "diff.html"
    done = call(kept.home, "runs", "diff", kept.ids[0], kept.ids[1], "--plots", page)
    assert done.code == 0 and str(page) in done.out
    text = page.read_text()
    for number in (0, 1):
        for name in ("evaluate", "train"):
            report = (kept.home / "fruit" / "runs" / kept.ids[number] / "reports" / f"{name}.html").read_text()
            charts = re.findall(r'<svg class="chart".*?</svg>', report, re.S)
            assert charts and all(chart in text for chart in charts)
    for title in ("Test rows: Confusion matrix", "Test rows: ROC curves", "Importance of columns"):
        assert f"<h2>{title}</h2>" in text
    assert "train.n_estimators" in text


def test_a_run_without_reports_still_has_a_page(kept, tmp_path):
    page = tmp_path / "diff.html"
    assert call(kept.home, "runs", "diff", kept.ids[0], kept.ids[3], "--plots", page).code == 0
    assert "This run has none." in page.read_text()


def test_runs_of_earlier_versions_are_shown_with_what_they_noted(own):
    path = own.home / "fruit" / "runs" / own.ids[0] / "summary.json"
    new = ("engine", "code", "environment", "reference", "valid_for", "outputs")
    path.write_text(json.dumps({key: value for key, value in own.runs[0].items() if key not in new}))
    assert "unknown" in call(own.home, "runs", "list").out.splitlines()[-1]
    shown = call(own.home, "runs", "show", own.ids[0])
    assert shown.code == 0 and re.search(r"commit +unknown", shown.out)
    found = call(own.home, "runs", "diff", own.ids[0], own.ids[2], "--json").document
    assert by_name(found["data"])["train.model"]["equal"] is None
    assert by_name(found["metrics"])["test.accuracy"]["difference"] is not None
    assert call(own.home, "runs", "diff", own.ids[0], own.ids[2]).code == 0
    refused = call(own.home, "reproduce", own.ids[0])
    assert refused.code == 2 and "has not noted its code" in refused.err
    brought = call(own.home, "checkout", own.ids[0], own.home / "brought")
    assert brought.code == 0 and "has not noted where its tables are" in brought.out


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_damaged_summary_is_passed_over(own, text):
    (own.home / "fruit" / "runs" / own.ids[0] / "summary.json").write_text(text)
    listed = call(own.home, "runs", "list", "--json")
    assert listed.code == 0 and [run["run_id"] for run in listed.document] == own.ids[:0:-1]


def test_what_a_run_notes_of_its_outputs_is_their_content(kept):
    import hashlib

    noted = kept.runs[0]["outputs"]
    checked = 0
    for made in noted.values():
        for entry in made.values():
            if "path" in entry and (path := kept.home / entry["path"]).is_file():
                assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["digest"]
                checked += 1
    assert checked >= 7  # five kinds of tables and the reports
    assert noted["segregate"]["train"]["rows"] + noted["segregate"]["test"]["rows"] < 120
