"""No body costs much, whatever is packed into it: neither memory, nor the time of others."""

import gzip
import json
import re
import threading
import time
from pathlib import Path

import pytest

from images.server.tests.in_process import Asked
from images.server.tests.running import ROW, answer_of, request, running

LIMIT = 10_000_000
LENGTH = LIMIT - 10_000
MOST = LIMIT + (72 << 20)
"""Bytes that a body may cost: its own, and about 64 MB."""
WAIT = 0.5
"""Seconds that others may wait at most; idle machines need a tenth of it."""


def filled(head, piece, tail, length=LENGTH):
    """A body of a length that repeats one piece."""
    return head + piece * ((length - len(head) - len(tail)) // len(piece)) + tail


def keys(number):
    return b",".join(b'"%d":1' % at for at in range(number))


@pytest.fixture(scope="module")
def server(trees_folder, tmp_path_factory):
    with running(trees_folder, tmp_path_factory.mktemp("bodies"), max_bytes=LIMIT) as server:
        yield server


@pytest.fixture(scope="module")
def trees(trees_folder):
    return Asked(trees_folder)


def memory(server, what):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+)", status)[1]) * 1024


def cost(server, sent):
    """Status and code of the answer, bytes that the request took at most, and seconds that another one waited."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    before, waits, ending = memory(server, "VmRSS"), [], threading.Event()

    def ping():
        with server.connect() as other:
            while not ending.is_set():
                begun = time.monotonic()
                other.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                answer_of(other)
                waits.append(time.monotonic() - begun)
                time.sleep(0.005)

    pinging = threading.Thread(target=ping)
    pinging.start()
    try:
        with server.connect() as connection:
            connection.sendall(sent)
            status, _, body = answer_of(connection)
    finally:
        ending.set()
        pinging.join()
    told = json.loads(body)
    code = (told.get("fault") or told["error"])["code"]
    return status, code, memory(server, "VmHWM") - before, max(waits)


JSON = {
    "nested lists": (b"[" * LENGTH, "TOO_MANY_VALUES"),
    "empty records": (filled(b'{"dataframe_records":[{}', b",{}", b"]}"), "TOO_MANY_VALUES"),
    "too many records": (filled(b'{"dataframe_records":[{}', b",{}", b"]}", 300_000), "TOO_MANY_ROWS"),
    "records of a value": (filled(b'{"instances":[{"a":1}', b',{"a":1}', b"]}"), "TOO_MANY_VALUES"),
    "lists of a value": (
        filled(b'{"instances":[[1]', b",[1]", b"]}"),
        "TOO_MANY_VALUES",
    ),
    "values of a byte": (filled(b'{"inputs":[1', b",1", b"]}"), "TOO_MANY_VALUES"),
    "texts": (filled(b'{"inputs":["ab"', b',"ab"', b"]}"), "TOO_MANY_VALUES"),
    "texts of backslashes": (filled(b'{"inputs":["', b'\\\\","', b'"]}'), "TOO_MANY_VALUES"),
    "keys": (b'{"inputs":{' + keys(700_000) + b"}}", "TOO_MANY_VALUES"),
    "fewer keys": (b'{"inputs":{' + keys(290_000) + b"}}", "MISSING_COLUMN"),
    "an unknown field": (filled(b'{"instances":[],"', b"xy", b'":1}'), "BAD_SHAPE"),
    "an unknown parameter": (filled(b'{"instances":[],"params":{"', b"xy", b'":1}}'), "BAD_PARAMS"),
    "a wide text": (filled('{"instances":[{"note":"😀'.encode(), b"ab ", b'"}]}'), "MISSING_COLUMN"),
    "no UTF-8": (b"\xff" * LENGTH, "NOT_JSON"),
    "no number": (filled(b'{"instances":[1', b",1", b",NaN]}", 240_000), "NOT_JSON"),
}
TENSOR = b'{"inputs":[{"name":"girth","shape":[9],"datatype":"INT8","data":[1'
TENSORS = {
    "values of a byte": (filled(TENSOR, b",1", b"]}]}"), "TOO_MANY_VALUES"),
    "fewer values": (filled(TENSOR, b",1", b"]}]}", 1_500_000), "BAD_SHAPE"),
    "empty tensors": (filled(b'{"inputs":[{}', b",{}", b"]}"), "TOO_MANY_VALUES"),
}
CSV = {
    "lines": (b"a\n" * (LENGTH // 2), "TOO_MANY_VALUES"),
    "fewer lines": (b"a\n" * 500_000, "TOO_MANY_ROWS"),
    "lines that end in CR": (b"a\r" * (LENGTH // 2), "TOO_MANY_ROWS"),
    "empty lines": (filled(b"a", b"\n", b"", 2_000_000), "TOO_MANY_ROWS"),
    "cells": (b"," * LENGTH, "TOO_MANY_VALUES"),
    "columns": (filled(b"", b"ab,", b"\n", 1_900_000), "EMPTY"),
    "lines after a stray quote": (filled(b'a"b\n', b"a\n", b""), "TOO_MANY_ROWS"),
}
SENT = (
    {f"JSON: {name}": (request(body), code) for name, (body, code) in JSON.items()}
    | {
        f"tensors: {name}": (request(body).replace(b"/invocations", b"/v2/models/trees/infer", 1), code)
        for name, (body, code) in TENSORS.items()
    }
    | {f"CSV: {name}": (request(body, Content_Type="text/csv"), code) for name, (body, code) in CSV.items()}
    | {
        "gzip: CSV": (
            request(gzip.compress(CSV["lines"][0]), Content_Type="text/csv", Content_Encoding="gzip"),
            "TOO_MANY_VALUES",
        ),
        "gzip: JSON": (request(gzip.compress(JSON["empty records"][0]), Content_Encoding="gzip"), "TOO_MANY_VALUES"),
        "gzip: too long": (request(gzip.compress(b" " * 200_000_000, 1), Content_Encoding="gzip"), "BODY_TOO_LARGE"),
    }
)


@pytest.mark.parametrize(("sent", "code"), SENT.values(), ids=SENT)
def test_a_costly_body_is_refused_before_it_costs(server, sent, code):
    status, told, taken, waited = cost(server, sent)
    assert (status, told) == (413 if code.startswith(("TOO", "BODY")) else 400, code)
    assert taken < MOST
    assert waited < WAIT


def test_many_costly_bodies_at_once_cost_little_more_than_one(server):
    sent, statuses = SENT["gzip: CSV"][0], []

    def ask():
        with server.connect() as connection:
            connection.sendall(sent)
            statuses.append(answer_of(connection)[0])

    clients = [threading.Thread(target=ask) for _ in range(20)]
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    before = memory(server, "VmRSS")
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert statuses == [413] * 20
    assert memory(server, "VmHWM") - before < 2 * MOST


REFUSED = {
    "a text of an unknown column": request(filled(b'{"instances":[{"a":"', b"x", b'"}]}')),
    "no JSON": request(filled(b'{"instances":[{"a":"', b"x", b'"]')),
    "no model at this path": b"GET /v2/models/" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_what_was_refused_is_not_kept(server, sent):
    times = 200_000_000 // max(len(sent), 200_000)
    with server.connect() as connection:
        for at in range(times):
            connection.sendall(sent)
            assert answer_of(connection)[0] in (400, 404)
            if at == 2:
                before = memory(server, "VmRSS")
    assert memory(server, "VmRSS") - before < 50_000_000


FULL = {
    "texts of commas": {"dataframe_records": [ROW | {"note": ",[{:" * 20_000}] * 90},
    "texts of JSON": {"dataframe_records": [ROW | {"note": json.dumps([{"a": [1, 2, "\\"]}] * 2_000)}] * 90},
    "as many rows as may be": {"dataframe_records": [ROW] * 10_000},
}


@pytest.mark.parametrize("document", FULL.values(), ids=FULL)
def test_a_large_body_of_ordinary_rows_is_answered(trees, document):
    answer = trees.ask(document=document)
    assert answer.status == 200, answer.body
    assert len(answer.json()["predictions"]) == len(document["dataframe_records"])


def test_a_large_csv_with_texts_of_several_lines_is_answered(trees):
    text = "one, two\nthree\n" * 500
    row = ",".join(f'"{value}"' for value in (ROW | {"note": text}).values())
    body = "\n".join([",".join(ROW), *[row] * 1000]).encode()
    answer = trees.ask(body=body, content_type="text/csv")
    assert answer.status == 200, answer.body
    assert len(answer.json()["predictions"]) == 1000


@pytest.mark.parametrize("lines", [1, 100, 9_900], ids=["at once", "early", "far into it"])
def test_a_byte_that_is_not_utf_8_is_found_in_a_csv(trees, lines):
    answer = trees.ask(body=b"longest girth\n" * lines + b"\xff\n", content_type="text/csv")
    assert (answer.fault["code"], answer.fault["where"]) == ("NOT_CSV", f"byte {14 * lines}")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_only_a_large_body_waits_for_a_thread(trees, monkeypatch, packed):
    aside, asked = trees.parts.answering.aside, []

    async def noted(task, *arguments):
        asked.append(task)
        return await aside(task, *arguments)

    monkeypatch.setattr(trees.parts.answering, "aside", noted)
    for rows, threads in ((1, 0), (100, 0), (1000, 2)):
        body = json.dumps({"instances": [ROW] * rows}).encode()
        more = {"content_encoding": "gzip"} if packed else {}
        assert trees.ask(body=gzip.compress(body) if packed else body, **more).status == 200
        assert len(asked) == threads


def test_a_large_request_waits_for_its_turn_no_longer_than_it_may(trees_folder):
    slow = Asked(trees_folder, timeout=0.2)
    slow.parts.answering._turns._value = 0  # as if others were being answered
    answer = slow.ask(document={"instances": [ROW] * 1000})
    assert (answer.status, answer.fault["code"]) == (503, "TIMEOUT")
    assert slow.parts.predicting.active == 0
    slow.parts.answering.end_turn()
    assert slow.ask(document={"instances": [ROW] * 1000}).status == 200
    assert slow.ask(document={"instances": [ROW] * 1000}).status == 200, "the turn was given back"
