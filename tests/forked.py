"""Commands of tabpipe as processes that are forked from a warm Python instead of started: the imports are paid once.

A forked command has arguments, variables, a folder, streams, an exit code and signals of its own, like one that a
shell starts; so have the warm process and the tracker that it starts in turn. That a command can be started at all is
left to the tests that start one and to the commands of the documents.

A request is the number of its bytes, with the streams attached, and JSON; the answer is the id of the process, and
later how it has ended. A keeper, which is forked first and waits for the command, gives both.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORKED = ("tabpipe", "tabpipe.engines.fork_server", "tabpipe.tracking.tracker", "mlflow", "uvicorn")
"""What can be forked; of another checkout, its own modules are imported anew."""
MORE = [
    "onnx",
    "omegaconf",
    "mlflow.pyfunc",
    "mlflow.server.fastapi_app",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "tabpipe.cli.main",
    "tabpipe.runs.train_run",
    "tabpipe.runs.score_run",
    "tabpipe.compile.pipelines",
    "tabpipe.engines.kfp_local",
    "kfp.dsl.executor_main",
    "tabpipe.tracking.tracker",
    "alembic.command",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "pyarrow.pandas_compat",
    "components.common.registry.mlflow_sync",
    "components.common.storage.folder_backend",
]
"""What commands import besides what steps want."""
_OURS = ("bench", "components", "images", "pipeline", "tabpipe", "tests")
_INT = struct.Struct("i")
_LISTENS: list[str] = []
"""Where the warm Python of this process listens, once there is one."""


class Forked(subprocess.Popen):
    """`subprocess.Popen`, by a fork where the command is one of tabpipe's and fork is what the machine can."""

    _answers = None

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *more):
        root = _root(args, cwd, env)
        if root is None:
            return super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *more)
        streams, new_session = more[3:9], more[14]
        reading, _, _, writing, _, errors = streams
        numbers = [0, 1, 2, *pass_fds]
        given = [own if own != -1 else number for number, own in enumerate((reading, writing, errors))]
        request = {
            "argv": [os.fspath(part) for part in args[2:]],
            "cwd": os.fspath(cwd or os.getcwd()),
            "env": dict(os.environ if env is None else env),
            "root": str(root),
            "numbers": numbers,
            "session": bool(new_session),
        }
        self._answers = socket.socket(socket.AF_UNIX)
        self._answers.connect(_warm_python())
        text = json.dumps(request).encode()
        socket.send_fds(self._answers, [_INT.pack(len(text))], [*given, *pass_fds])
        self._answers.sendall(text)
        [self.pid] = _INT.unpack(self._answers.recv(_INT.size, socket.MSG_WAITALL))
        self._child_created = True
        self._close_pipe_fds(*streams)

    def _internal_poll(self, *arguments, **options):
        if self._answers is None:
            return super()._internal_poll(*arguments, **options)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._wait(0)
        return self.returncode

    def _try_wait(self, wait_flags):
        if self._answers is None:
            return super()._try_wait(wait_flags)
        if wait_flags and not select.select([self._answers], [], [], 0)[0]:
            return 0, 0
        told = self._answers.recv(_INT.size, socket.MSG_WAITALL)
        self._answers.close()
        return self.pid, _INT.unpack(told)[0]


def run(command, input=None, timeout=None, **options):
    """`subprocess.run` by a fork, with what the command printed."""
    pipe = subprocess.PIPE
    with Forked(command, stdin=input and pipe, stdout=pipe, stderr=pipe, text=True, **options) as process:
        try:
            out, err = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def stand_in(path):
    """Writes a program that does what Python does, by a fork where it can."""
    path.write_text(f"""#!{sys.executable}
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from tests import forked
command = [sys.executable, *sys.argv[1:]]
if forked._root(command, None, None) is None:
    os.execv(sys.executable, command)
forked._LISTENS.append({_warm_python()!r})
sys.exit(forked.Forked(command).wait())
""")
    path.chmod(0o755)


def _root(args, cwd, env):
    """The checkout whose code a command runs; None where it is none of those that can be forked."""
    if sys.platform != "linux" or not isinstance(args, list) or args[:2] != [sys.executable, "-m"]:
        return None
    if args[2] not in FORKED:
        return None
    variables = os.environ if env is None else env
    paths = [] if variables.get("PYTHONSAFEPATH") else [cwd or os.getcwd()]
    paths += variables.get("PYTHONPATH", "").split(os.pathsep)
    return next((path for path in map(Path, paths) if (path / "tabpipe").is_dir()), None)


@functools.cache
def _start():
    folder = tempfile.mkdtemp(prefix="tabpipe-forks-")
    address = os.path.join(folder, "socket")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    # The pipe is what it lives by: it closes when this process ends, however it ends.
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forked", str(listening.fileno()), address],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        pass_fds=[listening.fileno()],
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
    )
    listening.close()
    return process, address


def _warm_python():
    return _LISTENS[0] if _LISTENS else _start()[1]


def serve(listening, address):
    """Forks what is asked for, until the process that has started this one is gone."""
    from tabpipe.engines import threads

    _LISTENS.append(address)
    threads.keep_to_one()
    from tabpipe.engines import kfp_light  # noqa: F401  # first, or it is not light
    from tabpipe.engines.fork_client import preload

    for module in [*preload(), *MORE]:
        importlib.import_module(module)
    _practise()
    libraries = threads.found()
    assert len(os.listdir("/proc/self/task")) == 1, "what has threads is not to be forked"
    subprocess.Popen = Forked
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are not waited for
    gc.freeze()
    while True:
        ready, _, _ = select.select([listening, 0], [], [])
        if 0 in ready:
            os.unlink(address)
            os.rmdir(os.path.dirname(address))
            os._exit(0)
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _keep(connection, libraries)
        connection.close()


def _practise():
    """Does what the first command or step would lose time on, and finds what later ones may take as known."""
    import narwhals.plugins
    import sqlalchemy.orm

    from tabpipe.compile.images import image_of
    from tabpipe.compile.pipelines import training_spec
    from tabpipe.config import load
    from tabpipe.environment import environment
    from tabpipe.steps import steps
    from tabpipe.tracking import spool, tracker

    sqlalchemy.orm.configure_mappers()
    narwhals.plugins._discover_entrypoints()
    with tempfile.TemporaryDirectory() as folder, environment({"TABPIPE_HOME": folder, "MLFLOW_TRACKING_URI": ""}):
        for case in ("music_genres", "nyc_rentals"):
            load(case, []).arguments(case)
        for step in steps():
            image_of(step)
        training_spec(True)
        for name in ("summary.json", "config.json"):
            (Path(folder) / name).write_text("{}")
        spool.begin("practice", "practice", 0.0)
        told = {"run_id": "practice", "state": "failed", "metrics": {}, "checksum": "", "source": "", "error": ""}
        spool.end(told, {"train": "none"}, [], Path(folder))
        tracker.follow(spool.spool("practice"))


def _keep(connection, libraries):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    begun, given, _, _ = socket.recv_fds(connection, _INT.size, 16)
    text = connection.recv(_INT.unpack(begun)[0], socket.MSG_WAITALL)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _be(json.loads(text), given, libraries)
    os.closerange(0, 3)
    for number in given:
        os.close(number)
    with contextlib.suppress(OSError):  # nobody may be interested
        connection.sendall(_INT.pack(pid))
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        connection.sendall(_INT.pack(status))
    os._exit(0)


def _be(request, given, libraries):
    """Becomes the process that a request asks for."""
    from tabpipe.engines import threads

    code = 1
    try:
        if request["session"]:
            os.setsid()
        safe = [os.dup2(number, 200 + at) for at, number in enumerate(given)]
        for number in given:
            os.close(number)
        for number, own in zip(request["numbers"], safe, strict=True):
            os.dup2(own, number)
            os.close(own)
        _use(request["env"])
        module, *sys.argv[1:] = request["argv"]
        if module != "tabpipe.engines.fork_server":  # which forks on, and so has one thread
            threads.start_usual(libraries)
            _use(request["env"])
        os.chdir(request["cwd"])
        if Path(request["root"]).resolve() != ROOT:
            for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
                del sys.modules[name]
        sys.path[0] = request["root"]
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # they are the process's to the end
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if os.environ.get("PYTHONFAULTHANDLER"):
            faulthandler.enable()
        runpy.run_module(module, run_name="__main__", alter_sys=False)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()
            atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _use(variables):
    os.environ.clear()
    os.environ.update(variables)


if __name__ == "__main__":
    from tests import forked  # the classes that children use are those of the module, not of this program

    forked.serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
