import re
import subprocess
import sys
from pathlib import Path

import pytest

from images.server.tests.tree_models import asked, server, tree_model

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")

pytestmark = [pytest.mark.run, pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="schemathesis is not installed")]

# A request may fit the schema and still be refused, for instance for rows of different lengths, which JSON Schema
# cannot tell; test_openapi asks with what has to be accepted.
CONFIGURATION = """
[checks]
positive_data_acceptance.enabled = false
negative_data_rejection.expected-statuses = [400, 401, 404, 405, 408, 413, 415]
"""


def test_server_keeps_to_its_document_whatever_is_sent(tmp_path):
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    limits = {"max_rows": 5, "max_cell": 40, "max_bytes": 100_000}
    with server(tree_model(tmp_path), tmp_path, **limits) as address:
        command = [str(SCHEMATHESIS), "--config-file", str(configuration)]
        command += ["run", f"{address}/openapi.json", "--generation-deterministic", "--max-examples", "8"]
        command += ["--phases", "examples,coverage,fuzzing", "--max-time", "30", "--no-color"]
        run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=200)
        assert run.returncode == 0, run.stdout + run.stderr
        cases = re.search(r"([\d,]+) generated", run.stdout)
        assert cases and int(cases[1].replace(",", "")) > 100, run.stdout
        assert asked(f"{address}/readyz")[0] == 200
        assert "Traceback" not in (tmp_path / "server.log").read_text()
