"""Slow, broken and greedy clients are told so and cut off; others do not notice."""

import json
import socket
import time
from pathlib import Path

import pytest

from images.server.tests.running import ROW, answer_of, request, running

pytestmark = pytest.mark.run

GOOD = {"dataframe_records": [ROW]}


@pytest.fixture(scope="module")
def server(trees_folder, tmp_path_factory):
    with running(trees_folder, tmp_path_factory.mktemp("limits"), timeout=1, max_bytes=100_000) as server:
        yield server


def ended(connection):
    """Whether the server has closed the connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_requests_on_one_connection_are_answered_in_their_order(server):
    with server.connect() as connection:
        connection.sendall(b"".join(request(GOOD, X_Request_Id=f"r{at}") for at in range(20)))
        rest = b""
        while rest.count(b"HTTP/1.1 200") < 20 or not rest.endswith(b"}"):
            rest += connection.recv(65536)
    places = [rest.index(b'"request_id":"r%d"' % at) for at in range(20)]
    assert places == sorted(places)


def test_a_slow_header_is_cut_off(server):
    with server.connect() as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\n")
        begun = time.monotonic()
        while time.monotonic() < begun + 1:
            time.sleep(0.2)
            connection.sendall(b"X-More: 1\r\n")
        status, _, body = answer_of(connection)
        assert (status, json.loads(body)["error"]["code"]) == (408, "TIMEOUT_READING")
        assert ended(connection)
        assert time.monotonic() - begun < 4


def test_a_connection_that_says_nothing_is_closed(server):
    with server.connect() as connection:
        assert ended(connection)


def test_a_slow_body_is_cut_off(server):
    whole = request(GOOD)
    with server.connect() as connection:
        connection.sendall(whole[:-10])
        status, headers, body = answer_of(connection)
        assert (status, json.loads(body)["error"]["code"]) == (408, "TIMEOUT_READING")
        assert headers["connection"] == "close"
        assert ended(connection)


def test_an_idle_connection_is_kept_longer_than_a_slow_one(server):
    with server.connect() as connection:
        for _ in range(2):
            connection.sendall(request(GOOD))
            assert answer_of(connection)[0] == 200
            time.sleep(2.0)


def test_a_body_that_says_it_is_too_long_is_refused_unread(server):
    with server.connect() as connection:
        connection.sendall(request(b"", Content_Length="99999999999"))
        status, headers, body = answer_of(connection)
        assert (status, json.loads(body)["error"]["code"]) == (413, "BODY_TOO_LARGE")
        assert headers["connection"] == "close"


def test_a_long_body_that_is_being_sent_still_gets_its_answer(server):
    with server.connect() as connection:
        connection.sendall(request(b" " * 3_000_000))
        assert answer_of(connection)[0] == 413


def test_a_chunked_body_is_cut_off_at_the_limit(server):
    with server.connect() as connection:
        connection.sendall(request(b"", Content_Length=None, Transfer_Encoding="chunked"))
        sent = 0
        connection.settimeout(0.001)
        begun = time.monotonic()
        while time.monotonic() < begun + 10:
            try:
                connection.settimeout(0.001)
                first = connection.recv(12)
                break
            except TimeoutError:
                connection.settimeout(5)
                connection.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
                sent += 4096
        assert first == b"HTTP/1.1 413"
        assert sent < 400_000
        assert time.monotonic() - begun < 5


def test_chunks_make_a_body(server):
    body = json.dumps(GOOD).encode()
    with server.connect() as connection:
        connection.sendall(request(b"", Content_Length=None, Transfer_Encoding="chunked"))
        for at in range(0, len(body), 40):
            piece = body[at : at + 40]
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")
        assert answer_of(connection)[0] == 200


BROKEN = {
    "no HTTP": b"hello\r\n\r\n",
    "length is no number": request(b"", Content_Length="many"),
    "negative length": request(b"", Content_Length="-5"),
    "length and chunks": request(b"", Transfer_Encoding="chunked"),
    "length too short": request(json.dumps(GOOD).encode(), Content_Length="10"),
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_broken_requests_get_a_400(server, sent):
    with server.connect() as connection:
        connection.sendall(sent)
        status, _, body = answer_of(connection)
        assert status == 400
        assert json.loads(body)["error"]["code"] in ("NOT_HTTP", "NOT_JSON")


def test_clients_that_leave_do_no_harm(server):
    for cut in (10, 60, 200, 250):
        connection = server.connect()
        connection.sendall(request(GOOD)[:cut])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        connection.close()
    with server.connect() as connection:
        connection.sendall(request({"dataframe_records": [ROW] * 500}))
    with server.connect() as connection:
        connection.sendall(request(GOOD))
        assert answer_of(connection)[0] == 200
    time.sleep(0.5)
    assert "Traceback" not in server.log.read_text()


def test_a_client_that_does_not_read_is_cut_off(server):
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(1)
        begun, cut = time.monotonic(), False
        while not cut and time.monotonic() < begun + 20:  # answers that nobody takes fill all buffers
            try:
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
            except TimeoutError:
                assert server.get("/healthz")[0] == 200, "the others are served"
            except ConnectionError:
                cut = True
        assert cut
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    memory = next(line for line in lines if line.startswith("VmRSS"))
    assert int(memory.split()[1]) < 600_000, "kB"


def test_head_and_expect(server):
    with server.connect() as connection:
        connection.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        read = b""
        while not read.endswith(b"}"):
            read += connection.recv(65536)
        assert read.count(b"HTTP/1.1 200 OK") == 2
        assert read.count(b"alive") == 1
    body = json.dumps(GOOD).encode()
    with server.connect() as connection:
        connection.sendall(request(b"", Content_Length=str(len(body)), Expect="100-continue"))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert answer_of(connection)[0] == 200
