"""Bad input, through the command line and the real steps: a clear refusal, a failed exit code, nothing run after it."""

import gzip
import http.server
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, begun, below, fruit, gone

pytestmark = pytest.mark.run

STEPS = ["download", "preprocess", "check_data", "segregate", "train", "evaluate", "promote"]


def refused(result, step, *words):
    """Asserts that a run ended at a step with a message that holds these words, and nothing ran after it."""
    assert result.code == 1, result.err
    assert result.document["state"] == "failed"
    for word in words:
        assert word in result.document["error"], result.document["error"]
    assert "Traceback" not in result.document["error"]
    assert result.states[step] == "failed", result.states
    assert all(result.states[later] == "skipped" for later in STEPS[STEPS.index(step) + 1 :])


def with_value(column, value, row=7):
    def change(table):
        table[column] = table[column].astype(object)
        table.loc[row, column] = value
        return table

    return change


def one_of(label):
    def change(table):
        kept = table[table.label != label]
        return pd.concat([kept, table[table.label == label].head(1)])

    return change


@pytest.mark.parametrize(
    ("change", "step", "words"),
    [
        pytest.param(lambda t: t.head(0), "download", ["fruit.csv", "no rows"], id="no-rows"),
        pytest.param(lambda t: t.drop(columns="weight"), "preprocess", ["'weight'"], id="missing-column"),
        pytest.param(
            lambda t: t.rename(columns={"label": "lable"}),
            "preprocess",
            ["'label'", "'lable'"],
            id="missing-target-column",
        ),
        pytest.param(with_value("weight", "heavy"), "preprocess", ["'weight'", "heavy", "numerical"], id="wrong-dtype"),
        pytest.param(with_value("picked", "soon"), "preprocess", ["'picked'", "soon"], id="wrong-date"),
        pytest.param(with_value("label", "kiwi"), "check_data", ["'label'", "kiwi"], id="unknown-class"),
        pytest.param(with_value("weight", 99999), "check_data", ["'weight'", "99999", "3000"], id="out-of-range"),
        pytest.param(with_value("weight", np.inf), "check_data", ["'weight'", "inf"], id="infinite"),
        pytest.param(lambda t: t.assign(weight=np.nan), "check_data", ["'weight'", "missing"], id="column-all-missing"),
        pytest.param(with_value("label", None), "check_data", ["'label'", "missing"], id="missing-target"),
        pytest.param(lambda t: t.assign(label="plum"), "check_data", ["'label'", "plum"], id="constant-target"),
        pytest.param(one_of("melon"), "segregate", ["'label'", "melon"], id="class-with-one-row"),
        pytest.param(with_value("id", 3), "check_data", ["'id'", "3"], id="not-unique"),
        pytest.param(lambda t: t.head(10), "check_data", ["rows", "20"], id="too-few-rows"),
        pytest.param(lambda t: pd.concat([t.head(1)] * 50), "check_data", ["rows"], id="nothing-but-duplicates"),
    ],
)
def test_a_bad_table_is_refused(tabpipe, fruit_case, change, step, words):
    refused(tabpipe(fruit_case(change)), step, *words)


GOOD = fruit().to_csv(index=False).encode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(b"", ["fruit.csv", "empty"], id="empty-file"),
        pytest.param(GOOD.replace(b",", b";"), ["fruit.csv", "delimiter", "';'"], id="wrong-delimiter"),
        pytest.param(GOOD.replace(b"id,weight", b"id,label", 1), ["'label'", "fruit.csv"], id="doubled-column"),
        pytest.param(GOOD.replace(b"green", b"gr\xfcn"), ["fruit.csv", "UTF-8"], id="not-utf-8"),
        pytest.param(b"PAR1" + bytes(200), ["fruit.csv", "parquet"], id="corrupt-parquet"),
        pytest.param(gzip.compress(GOOD)[:-40], ["fruit.csv", "gzip"], id="cut-gzip"),
    ],
)
def test_a_bad_file_is_refused(tabpipe, fruit_case, text, words):
    refused(tabpipe(fruit_case(text=text)), "download", *words)


def test_a_missing_file_is_refused(tabpipe, fruit_case, tmp_path):
    refused(tabpipe(fruit_case(), "--source", tmp_path / "nothing.csv"), "download", "nothing.csv", "exist")


@contextmanager
def serving(answer):
    """A web server on loopback whose answers `answer(handler)` gives."""

    class Handler(http.server.BaseHTTPRequestHandler):
        do_GET = do_HEAD = lambda self: answer(self)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/fruit.csv"
    finally:
        server.shutdown()
        server.server_close()


def not_there(handler):
    handler.send_error(404)


def half(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(GOOD)))
    handler.end_headers()
    if handler.command == "GET":
        handler.wfile.write(GOOD[: len(GOOD) // 2])
        handler.wfile.flush()
        handler.connection.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [pytest.param(not_there, ["404"], id="404"), pytest.param(half, ["fruit.csv"], id="breaks-half-way")],
)
def test_a_bad_server_is_refused(tabpipe, fruit_case, answer, words):
    with serving(answer) as url:
        refused(tabpipe(fruit_case(), "--source", url), "download", *words)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        pytest.param("segregate.test_szie=0.2", ["segregate.test_szie", "'test_size'"], id="unknown-key"),
        pytest.param("segregate.test_size=much", ["segregate.test_size", "much"], id="wrong-type"),
        pytest.param("segregate.test_size=1", ["segregate.test_size", "less than 1"], id="impossible-split"),
    ],
)
def test_a_bad_config_is_refused_before_anything_runs(tabpipe, fruit_case, override, words):
    result = tabpipe(fruit_case(), override)
    assert result.code == 2 and result.document["state"] == "refused"
    for word in words:
        assert word in result.err
    assert "Traceback" not in result.err


def test_a_split_that_the_rows_do_not_allow_is_refused(tabpipe, fruit_case):
    result = tabpipe(fruit_case(), "segregate.test_size=0.001")
    refused(result, "segregate", "test")


def test_a_hyperparameter_that_the_model_refuses_is_named(tabpipe, fruit_case):
    refused(tabpipe(fruit_case(), "train.n_estimators=-3"), "train", "n_estimators", "-3")


def test_earlier_results_stay_when_a_later_run_is_refused(tabpipe, fruit_case, tmp_path):
    good = tabpipe(fruit_case())
    assert good.code == 0, good.err
    refused(tabpipe(fruit_case(with_value("label", "kiwi"))), "check_data", "kiwi")
    assert Path(good.document["model"], "MLmodel").is_file()
    assert (tmp_path / "home" / "fruit" / "latest").resolve().name == good.document["run_id"]
    again = tabpipe(fruit_case())
    assert again.ran == set(), "the good table's results are still in the cache"


def test_a_full_disk_is_said_and_leaves_nothing_half_written(tabpipe, fruit_case, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(small)]).returncode:
        pytest.skip("a small file system can be mounted by root only")
    try:
        filler = np.random.default_rng(0).integers(0, 10**9, (4000, 30)).astype(str)
        notes = lambda t: pd.concat([t] * 34).head(4000).assign(id=range(4000), note=[" ".join(row) for row in filler])  # noqa: E731
        result = tabpipe(fruit_case(notes), home=small)
        refused(result, next(step for step in STEPS if result.states[step] == "failed"), "no space left")
        assert not list(small.rglob("*.part"))
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


@pytest.mark.parametrize("mode", ["1", "0"], ids=["forked", "started"])
def test_ctrl_c_in_mid_step_and_the_next_run_goes_on(tabpipe, fruit_case, tmp_path, mode):
    case = fruit_case()
    command = [sys.executable, "-m", "tabpipe", "run", str(case), "train.n_estimators=20000"]
    env = {**os.environ, "TABPIPE_HOME": str(tmp_path / "home"), "TABPIPE_WARM": mode}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begun(tmp_path / "home", "train", process)
    started = below(process.pid)
    assert started
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert "interrupted" in process.stderr.read()
    assert gone(started)
    result = tabpipe(case, "train.n_estimators=5")
    assert result.code == 0 and result.ran == {"train", "evaluate", "promote"}
