"""`tabpipe artifacts …`: what is printed, what is refused."""

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import pytest

from components.common.artifacts import open_store
from components.common.artifacts.lineage import lineage
from components.common.base.files import file_digest
from components.common.tables.parquet import write_table
from tabpipe.artifacts.lineage_picture import draw
from tabpipe.cli.main import main
from tabpipe.console import age, size
from tests.artifact_stores import (
    any_url,  # noqa: F401 - a fixture, as are the next two
    keys,
    minio_server,  # noqa: F401
    moto_server,  # noqa: F401
    write,
)
from tests.conftest import ROOT, fruit


@pytest.fixture
def artifacts(capsys, monkeypatch, tmp_path):
    """Runs a command on the test's own store; gives exit code, stdout (as JSON where it was asked for) and stderr."""
    monkeypatch.setenv("TABPIPE_ARTIFACTS", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = main(["artifacts", *map(str, words)])
        said = capsys.readouterr()
        return code, json.loads(said.out) if "--json" in words else said.out, said.err

    return run


def table(path, change=lambda frame: frame):
    write_table(change(fruit()), path)
    return path


@pytest.fixture
def stored(artifacts, tmp_path):
    """Two versions of a table, a clean one, and two of a model."""
    artifacts("put", "fruit_raw", table(tmp_path / "raw.parquet"), "--meta", "source=https://example.org/fruit.csv")

    def change(frame):
        frame.loc[3, "size"] = "XL"
        frame.loc[[5, 6], "weight"] = None
        frame["id"] = frame["id"].astype("int32")
        frame["ripe"] = True
        return frame.drop(columns="note")

    artifacts("put", "fruit_raw", table(tmp_path / "changed.parquet", change))
    artifacts(
        "put",
        "fruit_clean",
        table(tmp_path / "clean.parquet", lambda frame: frame.head(100)),
        "--input",
        "fruit_raw:v0",
    )
    for number in range(2):
        write(tmp_path / "model" / "MLmodel", f"flavor: forest\nnumber: {number}\n")
        write(tmp_path / "model" / f"weights{number}", "w")
        artifacts("put", "fruit_model", tmp_path / "model", "--input", "fruit_clean", "--meta", f"auc=0.{number + 8}")
    artifacts("alias", "fruit_model:v0", "prod")
    return artifacts


def test_an_empty_store_says_how_to_begin(artifacts):
    code, out, _ = artifacts("list")
    assert code == 0 and "tabpipe artifacts put" in out
    assert artifacts("list", "--json")[:2] == (0, [])


def test_put_tells_a_new_version_from_the_same_bytes(artifacts, tmp_path):
    file = table(tmp_path / "a.parquet")
    code, out, _ = artifacts("put", "fruit", file, "--meta", "by=ana", "--meta", "share=0.5")
    assert code == 0 and out.split()[0] == "fruit:v0" and "no new version" not in out
    assert "no new version" in artifacts("put", "fruit", file)[1]
    _, document, _ = artifacts("put", "fruit", file, "--json")
    assert (document["ref"], document["new"], document["digest"]) == ("fruit:v0", False, file_digest(file))
    assert document["metadata"] == {"rows": 120, "columns": 6, "by": "ana", "share": 0.5}


def test_list_shows_names_and_versions(stored):
    _, out, _ = stored("list")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert list(lines) == ["name", "fruit_clean", "fruit_model", "fruit_raw"]
    assert "100 × 6" in lines["fruit_clean"] and "120 × 6" in lines["fruit_raw"] and " v1 " in lines["fruit_raw"]
    assert lines["fruit_model"].rstrip().endswith("prod v0") and "3 files" in lines["fruit_model"]
    _, out, _ = stored("list", "fruit_model")
    rows = [line.split() for line in out.splitlines()[1:]]
    assert [(row[0], row[-1]) for row in rows] == [("v1", "latest"), ("v0", "prod")]
    _, documents, _ = stored("list", "fruit_model", "--json")
    assert [(one["ref"], one["aliases"]) for one in documents] == [
        ("fruit_model:v0", ["prod"]),
        ("fruit_model:v1", ["latest"]),
    ]
    _, documents, _ = stored("list", "--json")
    assert {one["name"]: one["versions"] for one in documents} == {"fruit_clean": 1, "fruit_model": 2, "fruit_raw": 2}


def test_show_tells_all_and_the_history_of_an_alias(stored):
    stored("alias", "fruit_model:v1", "prod")
    _, out, _ = stored("show", "fruit_model:prod")
    for words in ("fruit_model:v1", "fruit_clean:v0", "MLmodel", "auc  0.9", "history of prod", "v0    v1"):
        assert words in out
    _, document, _ = stored("show", "fruit_model:prod", "--json")
    assert document["aliases"] == ["latest", "prod"] and sorted(document["contents"]) == [
        "MLmodel",
        "weights0",
        "weights1",
    ]
    assert [(move["from"], move["to"]) for move in document["history"]] == [(None, 0), (0, 1)]
    assert document["inputs"] == [{"digest": document["inputs"][0]["digest"], "ref": "fruit_clean:v0"}]


def test_get_brings_files_and_folders(stored, tmp_path):
    code, out, _ = stored("get", "fruit_raw:v0", "out.parquet")
    assert code == 0 and "verified" in out
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "raw.parquet").read_bytes()
    _, document, _ = stored("get", "fruit_model:prod", "out", "--json")
    assert sorted(os.listdir(document["path"])) == ["MLmodel", "weights0"]


def test_alias_moves_only_from_what_was_expected(stored):
    assert stored("alias", "fruit_model:v1", "prod", "--expect", "v0")[0] == 0
    code, _, err = stored("alias", "fruit_model:v0", "prod", "--expect", "v0")
    assert code == 2 and "points to v1 by now" in err
    assert stored("alias", "fruit_model:v0", "reference", "--expect", "none")[0] == 0
    assert stored("alias", "fruit_model:reference", "--remove")[0] == 0
    assert stored("show", "fruit_model:reference")[0] == 2


def test_diff_names_what_changed_in_a_table(stored):
    _, out, _ = stored("diff", "fruit_raw:v0", "fruit_raw:v1")
    assert "of which 3 differ" in out
    lines = [line.strip() for line in out.splitlines()]
    assert "+ ripe  bool" in lines and "- note  large_string" in lines and "~ id  int64 → int32" in lines
    [weight] = [line for line in lines if line.startswith("weight  ")]
    assert weight.startswith("weight  2 rows · missing 0 → 2 · mean ")
    assert "size  1 row · distinct 3 → 4 · new: XL" in lines
    assert not [line for line in lines if line.startswith(("label", "picked"))]
    _, document, _ = stored("diff", "fruit_raw:v0", "fruit_raw:v1", "--json")
    assert document["table"]["rows"] == [120, 120] and document["table"]["rows_differing"] == 3
    assert document["table"]["columns"]["size"]["new"] == ["XL"]
    assert document["metadata"]["source"] == ["https://example.org/fruit.csv", None]


def test_diff_of_tables_of_other_length_compares_columns(stored):
    _, document, _ = stored("diff", "fruit_raw:v0", "fruit_clean:v0", "--json")
    assert document["table"]["rows"] == [120, 100] and document["table"]["rows_differing"] is None
    assert document["table"]["columns"]["id"]["max"] == [119, 99]


def test_diff_of_the_same_version_says_so(stored):
    assert "the same bytes" in stored("diff", "fruit_raw:v0", "fruit_raw:v0")[1]
    assert stored("diff", "fruit_raw:v0", "fruit_raw:v0", "--json")[1]["same"] is True


def test_diff_names_what_changed_in_a_folder(stored):
    _, out, _ = stored("diff", "fruit_model:v0", "fruit_model:v1")
    lines = [line.strip() for line in out.splitlines()]
    assert "+ weights1  1 B" in lines and "~ MLmodel  25 B → 25 B" in lines
    assert "-number: 0" in lines and "+number: 1" in lines
    assert "auc" in out and "0.8" in out and "0.9" in out


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        pytest.param('{"a": 1,\n "b": 2}', '{"a": 1,\n "b": 3}', ['- "b": 2}', '+ "b": 3}'], id="json"),
        pytest.param("<p>one</p>\n<p>two</p>", "<p>one</p>", ["-<p>two</p>"], id="html"),
        pytest.param("x" * 5000, "y" * 6000, ["5.0 KB → 6.0 KB"], id="endless-line"),
        pytest.param("a\n" * 500, "b\n" * 500, ["1.0 KB", "more lines"], id="many-lines"),
        pytest.param("\0\1", "\0\2\3", ["2 B → 3 B"], id="no-text"),
    ],
)
def test_diff_of_other_files_is_short(artifacts, tmp_path, before, after, words):
    for text in (before, after):
        artifacts("put", "report", write(tmp_path / "report", text))
    _, out, _ = artifacts("diff", "report:v0", "report:v1")
    assert all(word in out for word in words) and len(out.splitlines()) < 80


def test_diff_of_a_file_and_a_folder(stored):
    assert "v0 is a file, v0 a folder" in stored("diff", "fruit_raw:v0", "fruit_model:v0")[1]


@pytest.mark.parametrize(
    ("kind", "before", "after", "expected"),
    [
        ("float", [1.0, None, 3.0], [1.0, None, 3.5], {"rows_differing": 1, "mean": [2.0, 2.25], "max": [3.0, 3.5]}),
        ("nan", [1.0, float("nan")], [1.0, None], None),
        ("bool", [True, False], [True, True], {"rows_differing": 1, "mean": [0.5, 1.0]}),
        ("list", [[1], [2]], [[1], [3]], {"rows_differing": 1}),
        ("order", ["a", "b"], ["b", "a"], {"rows_differing": 2}),
        ("empty", [], [], None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_of_every_kind_are_compared(artifacts, tmp_path, kind, before, after, expected):
    import pyarrow as pa
    import pyarrow.parquet as pq

    for number, values in enumerate((before, after)):
        pq.write_table(pa.table({"x": values, "n": [number] * len(values)}), tmp_path / f"{number}.parquet")
        artifacts("put", "t", tmp_path / f"{number}.parquet", "--meta", f"number={number}")
    _, document, _ = artifacts("diff", "t:v0", "t:latest", "--json")
    assert document.get("table", {"columns": {}})["columns"].get("x") == expected


def test_a_table_that_is_no_parquet_after_all_is_refused(artifacts, tmp_path):
    for number in range(2):
        artifacts("put", "t", write(tmp_path / "t", f"PAR1 but nothing else {number}"))
    code, _, err = artifacts("diff", "t:v0", "t:v1")
    assert code == 2 and "not a readable parquet file" in err


def test_lineage_as_text_json_and_picture(stored, tmp_path):
    _, out, _ = stored("lineage", "fruit_model:prod")
    names = [line.strip(" └├─│").split()[0] for line in out.splitlines()]
    assert names == ["fruit_model:v0", "fruit_clean:v0", "fruit_raw:v0", "https://example.org/fruit.csv"]
    _, out, _ = stored("lineage", "fruit_raw:v0", "--down")
    assert [line.strip(" └├─│").split()[0] for line in out.splitlines()] == [
        "fruit_raw:v0",
        "fruit_clean:v0",
        "fruit_model:v0",
        "fruit_model:v1",
    ]
    _, document, _ = stored("lineage", "fruit_model:prod", "--json")
    assert {"from": "fruit_raw:v0", "to": "fruit_clean:v0"} in document["edges"]
    assert {node["id"]: node["is"] for node in document["nodes"]}["https://example.org/fruit.csv"] == "source"
    stored("lineage", "fruit_model:prod", "--svg", "picture.svg")
    picture = ElementTree.parse(tmp_path / "picture.svg").getroot()
    texts = [element.text for element in picture.iter() if element.tag.endswith("text")]
    assert {"fruit_model:v0", "fruit_clean:v0", "fruit_raw:v0", "fruit.csv"} <= set(texts)
    assert "nothing was made from it" in stored("lineage", "fruit_model:v0", "--down")[1]


def test_boxes_of_a_large_lineage_do_not_overlap_and_stand_right_of_what_they_came_of(tmp_path):
    store = open_store(tmp_path / "store")
    for number in range(3):
        store.put("raw", write(tmp_path / "t", f"raw {number}"), metadata={"source": f"https://example.org/{number}"})
    for number in range(6):
        store.put(
            "clean", write(tmp_path / "t", f"clean {number}"), inputs=[f"raw:v{number % 3}", f"raw:v{(number + 1) % 3}"]
        )
    for number in range(12):
        store.put("model", write(tmp_path / "t", f"model {number}"), inputs=[f"clean:v{number % 6}", "raw:v0"])
    graph = lineage(store, "raw:v0", "down")
    root = ElementTree.fromstring(draw(graph))
    boxes = {}
    for group in (element for element in root.iter() if element.tag.endswith("}g")):
        rect = next(element for element in group if element.tag.endswith("rect"))
        label = next(element.text for element in group if element.tag.endswith("text"))
        boxes[label] = tuple(float(rect.get(key)) for key in ("x", "y", "width", "height"))
    assert len(boxes) == len(graph.nodes)
    for one, (x, y, width, height) in boxes.items():
        for other, (left, top, _, _) in boxes.items():
            assert one == other or abs(x - left) >= width or abs(y - top) >= height, (one, other)
    for name, parents in graph.parents.items():
        assert all(boxes[parent][0] + boxes[parent][2] <= boxes[name][0] for parent in parents)


def test_gc_says_what_would_go_and_what_goes(stored, tmp_path):
    before = keys(open_store())
    _, out, _ = stored("gc", "--older-than", "0", "--dry-run")
    assert "would go: 0 versions, 0 objects" in out and "kept: 5 versions" in out
    stored("alias", "fruit_model:prod", "--remove")
    assert "would go: 1 version, 0 objects" in stored("gc", "--older-than", "0", "--dry-run")[1], "bytes are young"
    two_days_ago = time.time() - 2 * 86400
    for key in keys(open_store(), "objects/"):
        os.utime(open_store().place.local(key), (two_days_ago, two_days_ago))
    assert "would go: 1 version, 2 objects" in stored("gc", "--older-than", "0", "--dry-run")[1]
    assert "would go: 0 versions" in stored("gc", "--dry-run")[1]
    _, document, _ = stored("gc", "--older-than", "0", "--json")
    assert document["versions"] == ["fruit_model:v0"] and document["objects"] == 2
    assert len(keys(open_store(), "objects/")) == len([key for key in before if key.startswith("objects/")]) - 2
    assert "fruit_model:v0 was removed" in stored("show", "fruit_model:v0")[2]


def test_remove_keeps_what_is_needed(stored):
    code, _, err = stored("remove", "fruit_model:v0")
    assert code == 2 and "fruit_model:v0 is prod" in err
    stored("alias", "fruit_model:v1", "prod")
    assert stored("remove", "fruit_model:v0")[0] == 0
    assert [one["ref"] for one in stored("list", "fruit_model", "--json")[1]] == ["fruit_model:v1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["list", "fruits"], ["no artifact fruits", "fruit_raw"], id="list"),
        pytest.param(["show", "fruit_raw:v9"], ["no version v9"], id="show"),
        pytest.param(["get", "fruit_raw:prd", "x"], ["no alias 'prd'"], id="get"),
        pytest.param(["get", "fruit_raw", "raw.parquet/x"], ["cannot be written"], id="get-path"),
        pytest.param(["put", "a/b", "raw.parquet"], ["not a name", "a_b"], id="put-name"),
        pytest.param(["put", "a", "none.csv"], ["no such file", "none.csv"], id="put-file"),
        pytest.param(["put", "a", "raw.parquet", "--meta", "x"], ["--meta", "KEY=VALUE"], id="put-meta"),
        pytest.param(["put", "a", "raw.parquet", "--input", "none:v1"], ["no artifact none"], id="put-input"),
        pytest.param(["alias", "fruit_raw:v0", "latest"], ["reserved"], id="alias-reserved"),
        pytest.param(["alias", "fruit_raw:v0"], ["no alias is given"], id="alias-none"),
        pytest.param(["diff", "fruit_raw:v0", "fruit_raw:v7"], ["no version v7"], id="diff"),
        pytest.param(["lineage", "fruit:v0"], ["no artifact fruit"], id="lineage"),
        pytest.param(["gc", "--older-than", "soon"], ["not an age", "7d"], id="gc"),
        pytest.param(["list", "--store", "ftp://host/x"], ["ftp:// are not known"], id="store"),
    ],
)
def test_what_is_wrong_is_refused_with_exit_code_2(stored, words, said):
    code, out, err = stored(*words)
    assert code == 2 and out == ""
    for word in said:
        assert word in err
    code, document, _ = stored(*words, "--json")
    assert code == 2 and document["state"] == "refused" and said[0] in document["error"]


def test_the_same_commands_work_on_a_bucket(artifacts, url, tmp_path):
    file = table(tmp_path / "a.parquet")
    for words in (
        ["put", "fruit", file],
        ["put", "fruit", table(tmp_path / "b.parquet", lambda frame: frame.head(50))],
        ["alias", "fruit:v0", "prod"],
        ["list"],
        ["list", "fruit"],
        ["show", "fruit:prod"],
        ["diff", "fruit:v0", "fruit:v1"],
        ["lineage", "fruit:prod"],
        ["get", "fruit:prod", tmp_path / "out.parquet"],
        ["gc"],
    ):
        assert artifacts(*words, "--store", url)[0] == 0, words
    assert (tmp_path / "out.parquet").read_bytes() == file.read_bytes()
    assert "120 → 50" in artifacts("diff", "fruit:v0", "fruit:v1", "--store", url)[1].replace(",", "")


def test_every_command_has_help_with_an_example(capsys):
    names = ["list", "show", "get", "put", "alias", "diff", "lineage", "remove", "gc"]
    for name in names:
        with pytest.raises(SystemExit) as ended:
            main(["artifacts", name, "--help"])
        said = capsys.readouterr().out
        assert ended.value.code == 0 and f"example: tabpipe artifacts {name}" in said and "--store" in said


def test_the_command_line_starts_without_loading_tables_or_clients():
    heavy = {"pandas", "pyarrow", "boto3", "kfp", "numpy"}
    code = f"import sys, tabpipe.cli.main as cli; cli._parser(); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_ages_and_sizes():
    assert [age(text) for text in ("0", "90s", "30m", "12h", "7d", "2w", "1.5h")] == [
        0,
        90,
        1800,
        43200,
        604800,
        1209600,
        5400,
    ]
    assert [size(count) for count in (0, 999, 1000, 1536, 999_600, 5 * 10**9)] == [
        "0 B",
        "999 B",
        "1.0 KB",
        "1.5 KB",
        "1.0 MB",
        "5.0 GB",
    ]


def test_a_run_reads_the_version_that_an_alias_points_to(tabpipe, artifacts, fruit_case, tmp_path):
    config = fruit_case()
    artifacts("put", "fruit", tmp_path / "fruit.csv")
    artifacts("alias", "fruit:v0", "prod")
    environment = {"TABPIPE_ARTIFACTS": str(tmp_path / "store")}
    command = (config, "--source", "artifact://fruit:prod", "--steps", "download")
    first = tabpipe(*command, env=environment)
    assert first.code == 0, first.err
    fruit(60).to_csv(tmp_path / "fruit.csv", index=False)
    artifacts("put", "fruit", tmp_path / "fruit.csv")
    assert tabpipe(*command, env=environment).ran == set(), "a new version is none of prod's"
    artifacts("alias", "fruit:latest", "prod")
    moved = tabpipe(*command, env=environment)
    assert "download" in moved.ran and moved.code == 0, moved.err
