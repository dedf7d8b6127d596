"""A warm Python: imports the heavy packages once and forks a process for each step that it is asked to run.

Started as `python -m tabpipe.engines.fork_server FD`, FD being a socket on which requests come as lines of JSON:
{"id", "needs": [modules], "argv", "env": {}, "log": path, "code": source or null}. With `code`, the child does what
the shell script of a KFP component does: it writes the source to a file and runs kfp's own executor on it. Without,
it runs `argv[0]` as a module. The answer is {"id", "exit", "peak_kb"}. When the socket closes, children are
interrupted and the process ends.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from tabpipe.engines import threads

GRACE = 2.0
"""Seconds that an interrupted child has to clean up."""


def serve(connection: socket.socket, preload: list[str]) -> None:
    """Answers requests until the connection closes; imports `preload` while none is waiting.

    Args:
        connection: The socket.
        preload: Modules in the order in which they are worth having.
    """
    os.environ["_KFP_RUNTIME"] = "true"
    threads.keep_to_one()
    children: dict[int, Any] = {}
    # Answers go out from the signal handler, which interrupts even an import: the next step need not wait for its end.
    signal.signal(signal.SIGCHLD, lambda *_: _reap(children, connection))
    # A signal that arrives just before `select` would be heard of only after it; a byte that it writes ends `select`.
    woken, waker = socket.socketpair()
    woken.setblocking(False)
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    waiting: list[dict[str, Any]] = []
    buffer = b""
    todo = list(preload)
    while True:
        idle = not todo and not waiting
        ready, _, _ = select.select([connection, woken], [], [], None if idle else 0)
        if woken in ready:
            woken.recv(1 << 12)
            _reap(children, connection)
        if connection in ready:
            data = connection.recv(1 << 16)
            if not data:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return _end(children)
            buffer += data
            *lines, buffer = buffer.split(b"\n")
            waiting += [json.loads(line) for line in lines]
        if waiting:
            request = waiting[0]
            missing = [name for name in request["needs"] if name in todo]
            if missing:
                _load(todo[0], todo)  # in their order: later modules are built on earlier ones
            else:
                waiting.pop(0)
                gc.freeze()  # a collection in a child would touch, and so copy, every page that it shares
                _start(request, children, connection)
        elif todo:
            _load(todo[0], todo)


def _load(module: str, todo: list[str]) -> None:
    todo.remove(module)
    try:
        importlib.import_module(module)
    except Exception:
        traceback.print_exc()  # the step that needs it will say so itself


def _reap(children: dict[int, Any], connection: socket.socket) -> None:
    """Answers for the children that have ended. A signal may interrupt it, and so call it, at any point."""
    for pid in list(children):
        try:
            done, status, usage = os.wait4(pid, os.WNOHANG)
        except ChildProcessError:  # the other call has it
            continue
        if done:
            answer = {"id": children.pop(pid), "exit": os.waitstatus_to_exitcode(status), "peak_kb": usage.ru_maxrss}
            connection.sendall(json.dumps(answer).encode() + b"\n")


def _end(children: dict[int, Any]) -> None:
    """Interrupts the children as Ctrl-C would, so that they clean up, and kills those that do not end."""
    signals = [(signal.SIGINT, GRACE), (signal.SIGKILL, GRACE)]
    for number, patience in signals:
        for pid in children:
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while children and time.monotonic() < deadline:
            for pid in list(children):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del children[pid]
            time.sleep(0.01)


def _start(request: dict[str, Any], children: dict[int, Any], connection: socket.socket) -> None:
    """Forks a child for a request. Its end is not heard of before it is known."""
    libraries = threads.found()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    pid = os.fork()
    if pid == 0:
        _be_child(request, connection.fileno(), libraries)
    children[pid] = request["id"]
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _be_child(request: dict[str, Any], inherited: int, libraries: list[Any]) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        os.close(inherited)
        _redirect(request["log"])
        threads.start_usual(libraries)
        os.environ.update(request["env"])
        code = _run(request)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(code)


def _redirect(log: str) -> None:
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(file, 1)
    os.dup2(file, 2)


def _run(request: dict[str, Any]) -> int:
    sys.argv = list(request["argv"])
    if request["code"] is None:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=False)
        return 0
    from kfp.dsl.executor_main import executor_main

    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "ephemeral_component.py"
        program.write_text(request["code"])
        sys.argv = ["executor_main", "--component_module_path", str(program), *sys.argv]
        executor_main()
    return 0


def _leave(code: int) -> NoReturn:
    """Ends without the interpreter's tear-down, which would touch every page, shared ones too, and take 0.1 s."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2]))
    _leave(0)
