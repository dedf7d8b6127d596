"""A step that is not Python: its numbers are those of pandas, Kubeflow gets its metrics, bad tables are refused."""

import json
import os
import shutil
import subprocess

import pandas as pd
import pytest

from components.common.base.errors import Refusal
from components.common.tracking.step import REFUSED
from components.download.samples.bundled import read
from examples.other_language import pipeline
from tabpipe.compile.images import image_of, image_of_folder


def grouped(table, by, of):
    """What the step should find, by pandas."""
    groups = table.groupby(by, sort=False, dropna=False)[of]
    return groups.agg(rows="size", mean="mean", least="min", greatest="max").reset_index()


def metrics_of(table, by, of):
    """The step's metrics, by pandas."""
    column = table[of]
    sizes = {"rows": len(table), "groups": table[by].nunique(dropna=False), "missing": int(column.isna().sum())}
    return sizes | {"mean": column.mean(), "least": column.min(), "greatest": column.max()}


@pytest.fixture
def count(tmp_path):
    """Runs the step's script on this machine as the cluster's launcher starts it.

    Returns the groups, the executor output and what was printed; without groups where the step failed.
    """
    if not shutil.which("awk"):
        pytest.skip("this machine has no awk")

    def run(text, by, of, spaces=" "):
        (tmp_path / "table").write_bytes(text)
        output = tmp_path / "kfp_outputs" / "output_metadata.json"
        told = {"inputs": {"parameterValues": {"by": '"outputFile":"no"'}}, "outputs": {"outputFile": str(output)}}
        groups = tmp_path / "made" / "groups"
        command = ["sh", str(pipeline.HERE / "count" / "count.sh"), "--table", str(tmp_path / "table")]
        command += ["--by", by, "--of", of, "--groups", str(groups)]
        command += ["--groups_uri", "minio://a/groups", "--metrics_uri", "minio://a/metrics"]
        command += ["--executor_output", "{{$.outputs.output_file}}"]
        command += ["--executor_input", json.dumps(told, separators=(",", f":{spaces}"))]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "table"]
            return None, None, done.stdout
        return pd.read_csv(groups), json.loads(output.read_text()), done.stdout

    return run


TABLES = {
    "plain": b"k,v\na,1.5\nb,2\na,-3e2\n",
    "quoted": b'"k","some, text","v"\n"a ""b""","x\ny",1\n"c,d","",2\n"a ""b""","z",3\n',
    "windows": b"\xef\xbb\xbfk,v\r\na,1\r\nb,2\r\n",
    "missing": b"k,v\na,\nb,2\n,3\na,\n",
    "no newline at the end": b"k,v\na,1\nb,0.1",
    "not ascii": "k,v\nKöln,1\n東京,2\nKöln,4\n".encode(),
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("spaces", ["", " "], ids=["dense json", "spaced json"])
def test_groups_and_metrics_are_those_of_pandas(count, tmp_path, text, spaces):
    groups, output, printed = count(text, "k", "v", spaces)
    assert printed == ""
    table = pd.read_csv(tmp_path / "table")
    pd.testing.assert_frame_equal(groups, grouped(table, "k", "v"), check_exact=False, rtol=1e-14, check_dtype=False)
    [metrics] = output["artifacts"]["metrics"]["artifacts"]
    assert metrics["metadata"] == pytest.approx(metrics_of(table, "k", "v"), rel=1e-14)
    assert metrics["uri"] == "minio://a/metrics"


REFUSED_TABLES = {
    "an unknown column": (b"k,w\na,1\n", "`of`", "k, w"),
    "no number": (b"k,v\na,1\nb,about 2\n", "line 3, column 'v'", "about 2"),
    "an endless sum": (b"k,v\na,1e308\nb,1e308\n", "'v'", "too large"),
    "a hexadecimal number": (b"k,v\na,0x10\n", "line 2", "0x10"),
    "a field too many": (b"k,v\na,1,2\n", "line 2", "2 fields"),
    "an open quote": (b'k,v\na,1\n"b,2\nc,3\n', "line 3", "quote"),
    "an open quote in a long table": (b'k,v\na,1\n"b,2\n' + b"c,3\n" * 200_000, "line 3", "quote"),
    "text after a quote": (b'k,v\n"a"b,1\n', "line 2", "double the quotes"),
    "no rows": (b"k,v\n", "no rows", "at least one"),
    "nothing": (b"", "empty", "header"),
}


@pytest.mark.parametrize(("text", "where", "more"), REFUSED_TABLES.values(), ids=REFUSED_TABLES)
def test_a_bad_table_is_refused_by_name_and_leaves_nothing(count, text, where, more):
    groups, _, printed = count(text, "k", "v")
    assert groups is None
    [line] = printed.splitlines()
    message = json.loads(line.removeprefix(REFUSED))["message"]
    assert message.startswith("count: ") and where in message and more in message


def test_the_pipeline_is_accepted_by_kfp_and_the_same_each_time():
    from kfp.components import load_component_from_text

    text = pipeline.as_yaml("localhost:5001")
    assert pipeline.as_yaml("localhost:5001") == text
    component = load_component_from_text(text)
    assert all(parameter.optional for parameter in component.component_spec.inputs.values())
    containers = {
        label: executor["container"] for label, executor in component.pipeline_spec.deployment_spec["executors"].items()
    }
    assert containers["exec-count"]["image"] == image_of_folder(pipeline.HERE / "count", "localhost:5001")
    assert containers["exec-download"]["image"] == image_of("download", registry="localhost:5001")
    assert containers["exec-count"]["resources"]["resourceMemoryLimit"] == "256Mi"
    arguments = list(containers["exec-count"]["args"])
    assert arguments[arguments.index("--executor_input") + 1] == "{{$}}"


def test_a_changed_script_makes_another_image_name(tmp_path):
    copy = shutil.copytree(pipeline.HERE / "count", tmp_path / "count")
    assert image_of_folder(copy) == image_of_folder(pipeline.HERE / "count")
    with (copy / "count.awk").open("a") as file:
        file.write("# changed\n")
    assert image_of_folder(copy) != image_of_folder(pipeline.HERE / "count")


@pytest.fixture(scope="module")
def images():
    """The images of the pipeline; a skipped test without a Docker engine."""
    try:
        pipeline.build_images()
    except Refusal as refusal:
        if "no Docker engine" in str(refusal):
            pytest.skip(str(refusal))
        raise


@pytest.mark.docker
def test_awk_between_two_python_steps_gives_the_numbers_of_pandas(images, tmp_path):
    made = pipeline.run(tmp_path / "home")
    iris = read("iris").to_pandas()
    wanted = grouped(iris, "species", "petal_length")
    groups = made["count"]["groups"]
    pd.testing.assert_frame_equal(pd.read_csv(groups.path), wanted, rtol=1e-14)
    assert groups.metadata == {"rows": 3}
    metrics = metrics_of(iris, "species", "petal_length")
    assert made["count"]["metrics"].metadata == pytest.approx(metrics, rel=1e-14)
    spread = wanted["mean"].max() - wanted["mean"].min()
    shares = {"largest_share": 1 / 3, "smallest_share": 1 / 3}
    assert made["balance"]["metrics"].metadata == pytest.approx({**shares, "spread": spread}, rel=1e-14)
    owners = {path.stat().st_uid for path in (tmp_path / "home" / "kfp").rglob("*")}
    assert owners == {os.getuid()}
    assert pipeline.run(tmp_path / "home")["count"]["groups"].path == groups.path  # from the cache


@pytest.mark.docker
def test_a_refusal_of_awk_reads_like_one_of_our_steps(images, tmp_path):
    with pytest.raises(Refusal, match=r"count: line 2, column 'species': this is not a number\n  value: setosa"):
        pipeline.run(tmp_path / "home", of="species")
