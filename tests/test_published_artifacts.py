"""What a run makes is among the artifacts: named, versioned by content, with its lineage both ways."""

import pytest

from components.common.artifacts import open_store
from components.common.artifacts.lineage import lineage
from tests.conftest import ROOT

pytestmark = pytest.mark.run

NAMES = ["accepted", "check_data_report", "clean", "evaluate_report", "model", "promote_report", "raw", "test", "train"]
NAMES += ["train_report"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "iris.csv"
    path.write_text((ROOT / "docs/examples/fruit.csv").read_text())
    return path


def _config(tmp_path, table):
    path = tmp_path / "berries.yaml"
    path.write_text(
        f"""
target: label
columns: {{weight: numerical, size: categorical, label: categorical}}
download: {{source: {table}}}
train: {{model: linear}}
"""
    )
    return path


def test_a_run_makes_versions_with_their_lineage_equal_ones_make_no_more_and_a_changed_row_a_second(
    tabpipe, tmp_path, table
):
    config = _config(tmp_path, table)
    store = open_store(tmp_path / "home" / "artifacts")
    first = tabpipe(config)
    assert first.code == 0, first.err
    assert [name for name in store.names() if name.startswith("berries.")] == [
        f"berries.{name}" for name in [*NAMES, "validation"]
    ]
    model = store.resolve("berries.model")
    assert model.made_by["run"] == first.document["run_id"] and model.made_by["step"] == "train"
    before = {f"berries.{name}:v0" for name in ("model", "train", "validation", "accepted", "clean", "raw")}
    assert set(lineage(store, "berries.model").nodes) == before | {str(table)}
    assert {"berries.model:v0", "berries.evaluate_report:v0"} <= set(lineage(store, "berries.raw", "down").nodes)

    assert tabpipe(config, "--force").ran, "the steps run anew, and make the same bytes"
    # What promote says hangs on the champion of the moment.
    made = [name for name in store.names() if name != "berries.promote_report"]
    assert {name: len(store.versions(name)) for name in made} == dict.fromkeys(made, 1)

    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:5], *lines[6:]]) + "\n")
    assert tabpipe(config).code == 0
    assert {len(store.versions(f"berries.{name}")) for name in ("raw", "clean", "model")} == {2}
