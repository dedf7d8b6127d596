"""A web server on loopback whose manners can be changed, and an S3."""

import hashlib
import http.server
import threading
import time
from dataclasses import dataclass, field

import pytest


@dataclass
class Shelf:
    """One object behind a URL, and how the server that holds it behaves."""

    url: str = ""
    body: bytes = b"a,b\n1,2\n"
    etag: bool = True
    last_modified: str | None = "Wed, 21 Oct 2015 07:28:00 GMT"
    head: int = 200
    """Status of HEAD where it is not allowed."""
    conditions: bool = True
    """Whether If-None-Match and If-Modified-Since are heeded."""
    status: list[int] = field(default_factory=list)
    """Statuses of the next requests; then 200."""
    cut: int = 0
    """How many answers break half-way."""
    pause: float = 0.0
    moved: str = ""
    """Where requests are sent on to."""
    headers: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[str, int, int]] = field(default_factory=list)
    """Method, status and bytes of the body of each answer."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """Headers of each request."""

    def tag(self):
        return f'"{hashlib.md5(self.body).hexdigest()}"'

    def sent(self):
        """Bytes of bodies that were sent since the last call."""
        total = sum(size for _, _, size in self.seen)
        self.seen.clear()
        return total


@pytest.fixture
def shelf():
    held = Shelf()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status, size=0):
            held.seen.append((self.command, status, size))
            self.send_response(status)
            if held.etag:
                self.send_header("ETag", held.tag())
            if held.last_modified:
                self.send_header("Last-Modified", held.last_modified)
            for name, value in held.headers.items():
                self.send_header(name, value)

        def do_HEAD(self):
            held.asked.append(dict(self.headers))
            if held.head != 200:
                self.send_error(held.head)
                return
            self.answer(200)
            self.send_header("Content-Length", str(len(held.body)))
            self.end_headers()

        def do_GET(self):
            held.asked.append(dict(self.headers))
            time.sleep(held.pause)
            if held.moved:
                self.send_response(302)
                self.send_header("Location", held.moved)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if held.status and (status := held.status.pop(0)) != 200:
                held.seen.append((self.command, status, 0))
                self.send_error(status)
                return
            same = (held.etag and self.headers["If-None-Match"] == held.tag()) or (
                not held.etag and held.last_modified and self.headers["If-Modified-Since"] == held.last_modified
            )
            if held.conditions and same:
                self.answer(304)
                self.end_headers()
                return
            self.answer(200, len(held.body))
            self.send_header("Content-Length", str(len(held.body)))
            self.end_headers()
            if held.cut:
                held.cut -= 1
                self.wfile.write(held.body[: len(held.body) // 2])
                self.close_connection = True
                return
            self.wfile.write(held.body)

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            """Says nothing: clients that hang up are what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    held.url = f"http://127.0.0.1:{server.server_port}/folder/table.csv"
    yield held
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr("components.common.storage.fetch.PAUSES", (0.0, 0.0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="session")
def _s3_server():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(_s3_server, monkeypatch):
    """A bucket `tables` of an S3 that the environment points at."""
    import boto3

    settings = {
        "ENDPOINT_URL": _s3_server,
        "ACCESS_KEY_ID": "me",
        "SECRET_ACCESS_KEY": "mine",
        "DEFAULT_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    bucket = boto3.resource("s3").Bucket("tables")
    bucket.create()
    yield bucket
    bucket.objects.all().delete()
    bucket.delete()
