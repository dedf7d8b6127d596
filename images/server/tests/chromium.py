"""A headless Chromium, driven as a person would: keys and clicks through the DevTools protocol."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BINARY = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"])), None
)
_PATIENCE = 30.0


class Tab:
    """The page that the browser shows, and what went wrong on it."""

    def __init__(self, socket: Any):
        self._socket, self._last = socket, 0
        self.troubles: list[str] = []
        """Exceptions of scripts, refusals of the page's policy and console errors; not answers with a 4xx."""
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict:
        """Sends a command and returns its result."""
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._last:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: dict) -> None:
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.troubles.append(json.dumps(params["exceptionDetails"]))
        if message.get("method") == "Log.entryAdded" and params["entry"]["source"] != "network":
            self.troubles.append(params["entry"]["text"])
        if message.get("method") == "Page.javascriptDialogOpening":
            self.troubles.append(f"dialog: {params['message']}")
            self._socket.send(
                json.dumps({"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}})
            )

    def open(self, url: str, width: int = 1180, height: int = 1000) -> None:
        """Opens a page in a window of this size and waits until it is there."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=url)
        self.until(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")

    def js(self, expression: str) -> Any:
        """The value of an expression, as JSON has it."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """Waits until an expression is true, and returns its value."""
        end = time.monotonic() + _PATIENCE
        while not (value := self.js(expression)):
            assert time.monotonic() < end, f"never came true: {expression}\n{self.js('document.body.innerText')}"
            time.sleep(0.03)
        return value

    def click(self, selector: str) -> None:
        """Clicks the middle of an element, with the mouse."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.js(f"{found}.scrollIntoView({{block: 'center'}})")
        box = self.js(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({found}.getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Presses and releases a key, for instance ("Enter", 13, "\\r")."""
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **typed)

    def type_into(self, selector: str, text: str) -> None:
        """Replaces what is in a field by typing."""
        self.js(f"(f => {{ f.focus(); f.select(); }})(document.querySelector({json.dumps(selector)}))")
        self.press("Delete", 46)
        if text:
            self.call("Input.insertText", text=text)


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """A fresh browser; the test is skipped, with the reason, where there is none to drive.

    Args:
        folder: Where it keeps its profile.
    """
    websocket = pytest.importorskip("websocket", reason="websocket-client is not installed")
    if BINARY is None:
        pytest.skip("no Chromium on this machine")
    flags = ["--headless", "--remote-debugging-port=0", "--remote-allow-origins=*", "--disable-gpu", "--no-first-run"]
    flags += ["--disable-dev-shm-usage", "--disable-background-networking", f"--user-data-dir={folder}"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium refuses to run as root with it
    process = subprocess.Popen([BINARY, *flags, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = _port(folder / "DevToolsActivePort", process)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=_PATIENCE) as answer:
            pages = [entry for entry in json.load(answer) if entry["type"] == "page"]
        socket = websocket.create_connection(pages[0]["webSocketDebuggerUrl"], timeout=_PATIENCE)
        try:
            yield Tab(socket)
        finally:
            socket.close()
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _port(file: Path, process: subprocess.Popen) -> int:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, f"{BINARY} ended with {process.returncode}"
        if file.exists() and len(lines := file.read_text().splitlines()) > 1:
            return int(lines[0])
        time.sleep(0.05)
    raise AssertionError(f"{BINARY} opens no port")
