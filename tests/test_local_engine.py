"""The local engine on a small pipeline of its own: caching, forcing, freezing, failing, both ways to start steps."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from components.common.base.errors import Refusal
from tabpipe.engines import fork_client
from tabpipe.engines.execution import Execution
from tabpipe.engines.kfp_light import dsl
from tabpipe.engines.kfp_local import run_pipeline
from tabpipe.runs.selection import parents_of, prune, select
from tests.conftest import forks


@dsl.component(base_image="tabpipe/make", install_kfp_package=False)
def make(section: dict, made: dsl.Output[dsl.Dataset]):
    with open(made.path, "w") as file:
        file.write(str(section["value"]))
    made.metadata["value"] = section["value"]


@dsl.component(base_image="tabpipe/use", install_kfp_package=False)
def use(section: dict, made: dsl.Input[dsl.Dataset], used: dsl.Output[dsl.Dataset]):
    import os
    import time

    print("pid", os.getpid())
    if section.get("fail"):
        raise ValueError("asked to fail")
    time.sleep(section.get("sleep", 0))
    with open(made.path) as source, open(used.path, "w") as file:
        file.write(source.read() + " used")


@dsl.pipeline(name="small")
def small(make_section: dict, use_section: dict):
    first = make(section=make_section)
    use(section=use_section, made=first.outputs["made"])


class Watched:
    """A execution that notes what it is told."""

    def __init__(self, folder, runner, **execution):
        self.ended, self.failed, self.outputs = {}, [], {}
        self.folder, self.keys = folder, {}
        self.execution = Execution(
            root=folder / "kfp",
            log=lambda step: folder / f"{step}.log",
            spool=folder / "spool",
            warm=lambda: runner,
            on_end=self._end,
            on_fail=lambda step, code, path: self.failed.append((step, code)),
            **execution,
        )

    def _end(self, step, key, outputs, cached):
        self.ended[step], self.outputs[step], self.keys[step] = ("cached" if cached else "done"), outputs, key

    def run(self, make_section, use_section, spec=None):
        arguments = {"make_section": make_section, "use_section": use_section}
        return run_pipeline(spec or _spec(), arguments, self.execution, self.folder / "engine.log")


def _spec():
    spec = type(small.pipeline_spec)()
    spec.CopyFrom(small.pipeline_spec)
    return spec


@pytest.fixture(params=["forked", "started"])
def runner(request, tmp_path):
    if request.param == "started":
        yield None
    elif not fork_client.available():
        pytest.skip("steps are forked on Linux only")
    else:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fork_client, "preload", list)
            with fork_client.Warm(tmp_path / "warm.log") as process:
                yield process


def test_an_unchanged_rerun_is_cached_and_a_changed_section_reruns_what_follows(tmp_path, runner):
    first = Watched(tmp_path, runner)
    assert first.run({"value": 1}, {})
    assert first.ended == {"make": "done", "use": "done"}
    assert Path(first.outputs["use"]["used"].path).read_text() == "1.0 used"
    again = Watched(tmp_path, runner)
    assert again.run({"value": 1}, {}) and again.ended == {"make": "cached", "use": "cached"}
    later = Watched(tmp_path, runner)
    assert later.run({"value": 1}, {"x": 2}) and later.ended == {"make": "cached", "use": "done"}
    earlier = Watched(tmp_path, runner)
    assert earlier.run({"value": 2}, {}) and earlier.ended == {"make": "done", "use": "done"}


def test_a_forced_step_runs_and_its_new_outputs_are_cached(tmp_path, runner):
    Watched(tmp_path, runner).run({"value": 1}, {})
    forced = Watched(tmp_path, runner, forced=frozenset({"make"}))
    assert forced.run({"value": 1}, {}) and forced.ended == {"make": "done", "use": "done"}
    after = Watched(tmp_path, runner)
    assert after.run({"value": 1}, {}) and after.ended == {"make": "cached", "use": "cached"}
    assert after.outputs["make"]["made"].uri == forced.outputs["make"]["made"].uri


def test_a_frozen_step_lends_its_earlier_outputs_whatever_its_section_says(tmp_path, runner):
    first = Watched(tmp_path, runner)
    first.run({"value": 1}, {})
    frozen = Watched(tmp_path, runner, frozen={"make": first.keys["make"]})
    assert frozen.run({"value": 2}, {"x": 1})
    assert Path(frozen.outputs["use"]["used"].path).read_text() == "1.0 used"
    gone = Watched(tmp_path, runner, frozen={"make": "0" * 64})
    with pytest.raises(Refusal, match="make"):
        gone.run({"value": 2}, {})


def test_a_failed_step_is_told_of_and_nothing_of_it_is_cached(tmp_path, runner):
    failing = Watched(tmp_path, runner)
    assert not failing.run({"value": 1}, {"fail": True})
    assert failing.failed == [("use", 1)] and failing.ended == {"make": "done"}
    assert "asked to fail" in (tmp_path / "use.log").read_text()
    again = Watched(tmp_path, runner)
    assert again.run({"value": 1}, {}) and again.ended == {"make": "cached", "use": "done"}


def test_a_step_that_is_killed_fails_with_its_signal(tmp_path, runner):
    def kill():
        log = tmp_path / "use.log"
        while not (found := re.search(r"^pid (\d+)\n", log.read_text() if log.is_file() else "", re.M)):
            time.sleep(0.02)
        os.kill(int(found[1]), signal.SIGKILL)

    watched = Watched(tmp_path, runner)
    killer = threading.Thread(target=kill)
    killer.start()
    assert not watched.run({"value": 1}, {"sleep": 30})
    killer.join()
    assert watched.failed[0][0] == "use" and watched.failed[0][1] != 0


MULTIPLIES = """
import json, os, numpy, scipy.linalg, threadpoolctl
ones = numpy.ones((600, 600))
ones @ ones, scipy.linalg.blas.dgemm(1.0, ones, ones)
found = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
pools = {pool["filepath"]: pool["num_threads"] for pool in found}
print(json.dumps([pools, len(os.listdir("/proc/self/task"))]))
"""


@pytest.mark.run
@forks
@pytest.mark.parametrize("asked", ["", "1"], ids=["by itself", "asked for one"])
def test_the_warm_process_has_one_thread_and_steps_have_those_of_a_new_python(tmp_path, monkeypatch, asked):
    (tmp_path / "multiplies.py").write_text(MULTIPLIES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", asked)
    with fork_client.Warm(tmp_path / "warm.log") as process:
        ticket = process.start("promote", ["multiplies"], tmp_path / "forked.log", {})
        assert process.wait(ticket, 120)["exit"] == 0
        assert len(os.listdir(f"/proc/{process._process.pid}/task")) == 1, "or a fork may hang"
    alone = subprocess.run([sys.executable, "-m", "multiplies"], capture_output=True, text=True, check=True).stdout
    pools, threads = json.loads(alone)
    assert pools and threads == 1 + sum(pools.values()) - len(pools)
    assert json.loads((tmp_path / "forked.log").read_text()) == [pools, threads]


@forks
def test_every_one_of_many_jobs_that_end_at_once_is_answered(tmp_path, monkeypatch):
    monkeypatch.setattr(fork_client, "preload", list)
    with fork_client.Warm(tmp_path / "warm.log") as process:
        tickets = [process.start("job", ["keyword"], tmp_path / "job.log", {}) for _ in range(100)]
        assert [process.wait(ticket, 60)["exit"] for ticket in tickets] == [0] * 100


@forks
def test_a_closed_warm_process_interrupts_what_it_runs(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fork_client, "preload", list)
        process = fork_client.Warm(tmp_path / "warm.log")
        code = (
            "def f():\n try:\n  import os, time; print('pid', os.getpid(), flush=True); time.sleep(60)\n"
            " finally: print('cleaned')\n"
        )
        process.start(
            "f",
            [
                "--function_to_execute",
                "f",
                "--executor_input",
                json.dumps({"outputs": {"outputFile": str(tmp_path / "out.json")}}),
            ],
            tmp_path / "f.log",
            {},
            code,
        )
        deadline = time.monotonic() + 20
        while "pid" not in ((tmp_path / "f.log").read_text() if (tmp_path / "f.log").is_file() else ""):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.stop()
    assert "cleaned" in (tmp_path / "f.log").read_text()


@pytest.mark.parametrize(
    ("steps", "start", "run", "frozen"),
    [
        pytest.param(None, None, {"make", "use"}, set(), id="all"),
        pytest.param(["use"], None, {"use"}, {"make"}, id="the-last"),
        pytest.param(["make"], None, {"make"}, set(), id="the-first"),
        pytest.param(None, "use", {"use"}, {"make"}, id="from-the-last"),
    ],
)
def test_selection_runs_what_is_named_and_freezes_what_comes_before(steps, start, run, frozen):
    spec = _spec()
    selection = select(parents_of(spec), steps, start)
    assert (selection.run, selection.frozen, selection.whole) == (run, frozen, run == {"make", "use"})
    prune(spec, selection)
    assert set(parents_of(spec)) == run | frozen


def test_an_unknown_step_is_refused_with_the_nearest():
    with pytest.raises(Refusal, match="did you mean 'make'"):
        select(parents_of(_spec()), ["mak"], None)


def test_steps_are_told_in_an_order_in_which_they_can_run():
    parents = parents_of(_spec())
    names = list(parents)
    for step, before in parents.items():
        assert before == sorted(before) and all(names.index(parent) < names.index(step) for parent in before)
