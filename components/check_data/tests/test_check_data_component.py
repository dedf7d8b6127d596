"""The step as Kubeflow Pipelines calls it: artifacts, metrics, and the tracking record."""

import json

import pandas as pd
import pytest

from components.check_data.component import check_data
from components.common.base.files import file_digest
from components.common.tables.parquet import write_table
from components.common.tracking.step import REFUSED

TABLE = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": ["a", "b", "a", "b"]})
SECTION = {"target": "y", "task": "classification", "kinds": {"x": "numerical", "y": "categorical"}}


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Calls the component's function on a table; returns its artifacts and the record it left."""

    from kfp import dsl

    monkeypatch.setenv("TABPIPE_TRACKING_SPOOL", str(tmp_path / "record.json"))

    def run(table):
        write_table(table, tmp_path / "clean")
        kinds = {"clean": dsl.Dataset, "accepted": dsl.Dataset, "report": dsl.HTML, "metrics": dsl.Metrics}
        made = {name: kind(name=name, uri=str(tmp_path / name), metadata={}) for name, kind in kinds.items()}
        try:
            check_data.python_func(section=json.dumps(SECTION), reference="", valid_for="", **made)
            code = 0
        except SystemExit as ended:
            code = ended.code
        return code, made, json.loads((tmp_path / "record.json").read_text())

    return run


def test_an_accepted_table_is_stamped_and_tracked(call, tmp_path):
    code, made, record = call(TABLE)
    digest = file_digest(tmp_path / "clean")
    assert code == 0 and record["status"] == "FINISHED"
    assert made["accepted"].metadata == {"rows": 4, "columns": 2, "digest": digest}
    assert made["metrics"].metadata == {"checks": 11, "passed": 10, "failed": 0, "warnings": 0, "skipped": 1, "rows": 4}
    assert record["scores"] == made["metrics"].metadata
    assert record["tags"]["output.accepted.digest"] == digest
    assert record["files"] == [[str(tmp_path / "report"), "reports", "check_data.html"]]


def test_a_refused_table_leaves_its_report_and_its_counts(call, tmp_path, capsys):
    code, made, record = call(TABLE.assign(x=None))
    assert code == 1 and record["status"] == "FAILED"
    assert not (tmp_path / "accepted").exists()
    assert record["scores"]["failed"] == made["metrics"].metadata["failed"] == 1
    assert record["files"] == [[str(tmp_path / "report"), "reports", "check_data.html"]]
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(REFUSED))
    assert "column 'x', missing: every value is missing" in json.loads(line.removeprefix(REFUSED))["message"]
