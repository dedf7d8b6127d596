"""Answers every request with the same bytes; `python -m bench.serving.echo PORT BYTES`.

What the load generator gets out of this server is the most that it could get out of any.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys

from bench.serving.load import whole

_READ = 1 << 18


def serve(port: int, size: int) -> None:
    """Answers until the process is ended, with a prediction in a body of at least `size` bytes."""
    body = json.dumps({"predictions": ["echo"], "padding": ""}).encode()
    body = json.dumps({"predictions": ["echo"], "padding": "x" * max(size - len(body), 0)}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = head.encode() + body
    selector = selectors.DefaultSelector()
    with socket.create_server(("127.0.0.1", port)) as door:
        selector.register(door, selectors.EVENT_READ, None)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    connection, _ = door.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(connection, selectors.EVENT_READ, bytearray())
                elif part := _read(key.fileobj):
                    key.data.extend(part)
                    while length := whole(key.data):
                        del key.data[:length]
                        key.fileobj.sendall(answer)
                else:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()


def _read(connection: socket.socket) -> bytes:
    try:
        return connection.recv(_READ)
    except OSError:
        return b""


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
