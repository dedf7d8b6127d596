"""Faults: what is damaged, killed, mixed up, secret or not there."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, begun, below, forks, fruit, gone, tracked

pytestmark = pytest.mark.run


def test_outputs_that_do_not_belong_together_are_not_mixed(tabpipe, fruit_run):
    case = fruit_run.case
    assert tabpipe(case, "--steps", "segregate", "segregate.seed=7").code == 0
    mixed = tabpipe(case, "--steps", "evaluate")
    assert mixed.code == 1 and "--from train" in mixed.document["error"]
    assert tabpipe(case, "--from", "train").ran == {"train", "evaluate", "promote"}
    assert tabpipe(case, "--steps", "evaluate").code == 0


def test_damaged_outputs_are_made_anew_and_the_same_bytes_change_nothing_after_them(tabpipe, fruit_run, tmp_path):
    tabpipe(fruit_run.case)
    for step, name in (("segregate", "train"), ("train", "model/model.pkl")):
        for damage in (lambda path: os.truncate(path, 100), os.unlink):
            damage(max((tmp_path / "home" / "kfp").glob(f"*/{step}/{name}"), key=os.path.getmtime))
            again = tabpipe(fruit_run.case)
            assert again.code == 0 and again.ran == {step}


def test_secrets_of_a_url_go_nowhere(tabpipe, fruit_case, tmp_path):
    table = fruit().to_csv(index=False).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if "nothing" in self.path:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(table)))
            self.end_headers()
            self.wfile.write(table)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://user:PASSW0RD@127.0.0.1:{server.server_port}/fruit.csv?token=T0KEN"
        result = tabpipe(fruit_case(), f"download.source={url}")
        refused = tabpipe(fruit_case(), f"download.source={url.replace('fruit', 'nothing')}")
    finally:
        server.shutdown()
        server.server_close()
    assert result.code == 0, result.err
    tracked(tmp_path / "home")
    for secret in (b"PASSW0RD", b"T0KEN"):
        for one in (result, refused):
            assert secret not in repr(one.document).encode() + one.err.encode()
        for path in (tmp_path / "home").rglob("*"):
            assert not path.is_file() or secret not in path.read_bytes(), path


def test_columns_of_any_name_are_tracked(tabpipe, fruit_case, tmp_path):
    names = {"weight": "weight (g)", "size": "größe/..", "note": "..", "picked": "a//b"}
    kinds = {"weight": "numerical", "size": "categorical", "note": "text", "picked": "date"}
    columns = {names[name]: kind for name, kind in kinds.items()} | {"label": "categorical"}
    case = fruit_case(lambda table: table.rename(columns=names), {"columns": columns, "check_data": {}})
    result = tabpipe(case)
    assert result.code == 0, result.err
    assert {run.info.status for run in tracked(tmp_path / "home")} == {"FINISHED"}


def test_a_tracking_server_that_is_down_holds_nobody_up(tabpipe, fruit_case):
    started = time.monotonic()
    result = tabpipe(fruit_case(), env={"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    assert result.code == 0 and time.monotonic() - started < 120
    assert "MLflow could not be written" in result.err


def test_data_accepted_under_another_config_are_a_reference_too(tabpipe, fruit_run, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(fruit_run.case.read_text())
    assert tabpipe(other).ran == {"promote"}, "another use case has a champion of its own"
    second = tabpipe(other, "--source", _shifted(tmp_path))
    assert "no reference" not in Path(second.document["reports"]["check_data"]).read_text()


def test_new_data_are_never_their_own_reference(tabpipe, fruit_case, tmp_path):
    case = fruit_case(config={"check_data": {"columns": {"weight": {"range": [1, 2000]}}}})
    assert tabpipe(case).code == 0
    shifted, wider = _shifted(tmp_path), "check_data.columns.weight.range=[1,9000]"
    assert tabpipe(case, "--source", shifted).code == 1
    for how in (["--from", "check_data"], []):
        result = tabpipe(case, "--source", shifted, *how, wider)
        assert result.code == 0 and "warning" in result.err, "the drift from the first data is seen"


def _shifted(tmp_path):
    path = tmp_path / "shifted.csv"
    fruit(200, seed=5).assign(weight=lambda table: table.weight * 3).to_csv(path, index=False)
    return path


def start(case, home, *arguments):
    command = [sys.executable, "-m", "tabpipe", "run", str(case), "train.n_estimators=30000", *arguments]
    environment = {**os.environ, "TABPIPE_HOME": str(home)}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    begun(home, "train", process)
    return process


@forks
@pytest.mark.parametrize("victim", ["run", "warm process"])
def test_nothing_outlives_a_killed_process(fruit_case, tabpipe, tmp_path, victim):
    case = fruit_case()
    process = start(case, tmp_path / "home")
    started = below(process.pid)
    assert len(started) >= 2
    [warm_process] = below(process.pid, 1)  # not the least id of all: the kernel begins anew with small ones
    os.kill(process.pid if victim == "run" else warm_process, signal.SIGKILL)
    process.wait(timeout=60)
    assert gone(started)
    after = tabpipe(case, "train.n_estimators=5")
    assert after.code == 0 and after.ran == {"train", "evaluate", "promote"}
    parents = [run for run in tracked(tmp_path / "home") if "mlflow.parentRunId" not in run.data.tags]
    assert sorted(run.info.status for run in parents) == (
        ["FINISHED", "KILLED"] if victim == "run" else ["FAILED", "FINISHED"]
    )


def test_sigterm_ends_a_run_in_order(fruit_case, tabpipe, tmp_path):
    case = fruit_case()
    process = start(case, tmp_path / "home")
    started = below(process.pid)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 130
    assert "interrupted" in process.stderr.read()
    assert gone(started)
    assert tabpipe(case, "train.n_estimators=5").code == 0
    parents = [run for run in tracked(tmp_path / "home") if "mlflow.parentRunId" not in run.data.tags]
    assert sorted(run.info.status for run in parents) == ["FINISHED", "KILLED"]


def test_a_reader_that_leaves_does_not_end_the_run(fruit_case, tmp_path):
    command = f"{sys.executable} -m tabpipe run {fruit_case()} | head -1"
    environment = {**os.environ, "TABPIPE_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    deadline = time.monotonic() + 30
    while not (tmp_path / "home" / "fruit" / "latest").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (tmp_path / "home" / "fruit" / "latest" / "summary.json").is_file()


@pytest.mark.parametrize(
    ("home", "words"),
    [
        pytest.param("a#b", ["#", "TABPIPE_HOME"], id="odd-name"),
        pytest.param("file/below", ["cannot be written", "TABPIPE_HOME"], id="below-a-file"),
    ],
)
def test_a_folder_that_outputs_cannot_go_to_is_refused(tabpipe, fruit_case, tmp_path, home, words):
    (tmp_path / "file").touch()
    result = tabpipe(fruit_case(), home=tmp_path / home)
    assert result.code == 2
    for word in words:
        assert word in result.err


def test_a_use_case_cannot_take_the_name_of_a_folder_of_outputs(tabpipe, fruit_case, tmp_path):
    result = tabpipe(fruit_case().rename(tmp_path / "spool.yaml"))
    assert result.code == 2 and "'spool'" in result.err
