import gzip
import hashlib
import multiprocessing
import os
import time

import pytest

from bench.serving.servers import free_port
from components.common.base.errors import Refusal
from components.common.sources import fetch, open_bytes, resolve


def sha(data):
    return hashlib.sha256(data).hexdigest()


def left(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_an_object_is_fetched_whole_with_its_checksum(shelf, tmp_path):
    shelf.body = bytes(range(256)) * 20_000
    heard = []
    got = fetch(shelf.url, tmp_path / "t", progress=lambda done, whole: heard.append((done, whole)))
    assert (tmp_path / "t").read_bytes() == shelf.body
    assert (got.sha256, got.size, got.url, got.etag) == (sha(shelf.body), len(shelf.body), shelf.url, shelf.tag())
    assert heard[-1] == (len(shelf.body), len(shelf.body)) and len(heard) > 2


@pytest.mark.parametrize("status", [404, 403, 401, 410, 400])
def test_a_refusal_by_the_server_is_final(shelf, tmp_path, status):
    shelf.status = [status] * 9
    with pytest.raises(Refusal, match=f"(?s){shelf.url}.*{status}"):
        fetch(shelf.url, tmp_path / "t")
    assert len(shelf.seen) == 1 and left(tmp_path) == []


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_fault_of_the_server_is_tried_again(shelf, tmp_path, status):
    shelf.status = [status, status]
    assert fetch(shelf.url, tmp_path / "t").sha256 == sha(shelf.body)


def test_a_lasting_fault_is_refused_after_three_tries(shelf, tmp_path):
    shelf.status = [500] * 9
    with pytest.raises(Refusal, match=r"(?s)500.*3 times"):
        fetch(shelf.url, tmp_path / "t")
    assert len(shelf.seen) == 3 and left(tmp_path) == []


def test_a_connection_that_breaks_once_is_tried_again(shelf, tmp_path):
    shelf.cut = 1
    assert fetch(shelf.url, tmp_path / "t").sha256 == sha(shelf.body)


def test_a_connection_that_always_breaks_half_way_leaves_nothing(shelf, tmp_path):
    shelf.body, shelf.cut = b"x" * 3_000_000, 9
    with pytest.raises(Refusal, match=r"(?s)broke after 1500000 bytes, 1500000 short.*3 times"):
        fetch(shelf.url, tmp_path / "t")
    with pytest.raises(Refusal, match="broke"):
        resolve(shelf.url, tmp_path / "store")
    assert left(tmp_path) == ["store"]


def test_what_was_there_stays_when_a_fetch_fails(shelf, tmp_path):
    (tmp_path / "t").write_text("earlier")
    shelf.cut = 9
    with pytest.raises(Refusal):
        fetch(shelf.url, tmp_path / "t")
    assert (tmp_path / "t").read_text() == "earlier"


def test_a_server_that_is_not_there_is_refused(tmp_path):
    url = f"http://127.0.0.1:{free_port()}/t.csv?token=hush"
    with pytest.raises(Refusal, match="refused") as caught:
        resolve(url, tmp_path)
    assert "hush" not in str(caught.value) and "token=***" in str(caught.value)


def test_a_server_that_falls_silent_is_refused(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr("components.common.storage.http.READ_SECONDS", 0.05)
    shelf.pause = 0.5
    with pytest.raises(Refusal, match=r"no further bytes within 0.05 s"):
        fetch(shelf.url, tmp_path / "t")


def test_credentials_are_sent_but_never_shown(shelf, tmp_path):
    url = shelf.url.replace("http://", "http://ann:s3cret@") + "?part=1&X-Amz-Signature=abc"
    got = fetch(url, tmp_path / "t")
    assert shelf.asked[0]["Authorization"].startswith("Basic ")
    assert got.url == shelf.url + "?part=1&X-Amz-Signature=***"
    shelf.status = [404]
    with pytest.raises(Refusal) as caught:
        fetch(url, tmp_path / "t")
    assert "s3cret" not in str(caught.value) and "abc" not in str(caught.value)
    resolve(url, tmp_path / "store")
    assert "s3cret" not in (tmp_path / "store" / "index.json").read_text()


def test_a_body_that_came_compressed_is_unpacked(shelf, tmp_path):
    plain = shelf.body
    shelf.body, shelf.headers = gzip.compress(plain), {"Content-Encoding": "gzip"}
    assert fetch(shelf.url, tmp_path / "t").sha256 == sha(plain)


def test_a_redirection_in_a_circle_is_refused(shelf, tmp_path):
    shelf.moved = shelf.url
    with pytest.raises(Refusal, match="circle"):
        fetch(shelf.url, tmp_path / "t")


MANNERS = [
    pytest.param({}, id="etag"),
    pytest.param({"etag": False}, id="last-modified-only"),
    pytest.param({"last_modified": None}, id="etag-only"),
    pytest.param({"head": 405}, id="head-not-allowed"),
    pytest.param({"head": 501, "etag": False}, id="head-unknown"),
    pytest.param({"head": 403}, id="head-forbidden"),
    pytest.param({"conditions": False}, id="conditions-ignored"),
]


@pytest.mark.parametrize("manners", MANNERS)
def test_what_did_not_change_is_not_downloaded_again(shelf, tmp_path, manners):
    vars(shelf).update(manners)
    first = resolve(shelf.url, tmp_path)
    assert first.checksum == sha(shelf.body) and first.path.read_bytes() == shelf.body
    assert shelf.sent() == len(shelf.body)
    assert resolve(shelf.url, tmp_path) == first
    assert shelf.sent() == 0


def test_without_head_and_conditions_the_body_is_left_unread(shelf, tmp_path):
    shelf.head, shelf.conditions, shelf.body = 405, False, b"x" * 50_000_000
    first = resolve(shelf.url, tmp_path)
    written = first.path.stat().st_mtime_ns
    assert resolve(shelf.url, tmp_path) == first
    assert first.path.stat().st_mtime_ns == written


def test_without_validators_it_is_downloaded_again_and_known_by_its_checksum(shelf, tmp_path):
    shelf.etag, shelf.last_modified = False, None
    first = resolve(shelf.url, tmp_path)
    shelf.sent()
    assert resolve(shelf.url, tmp_path) == first
    assert shelf.sent() == len(shelf.body)


@pytest.mark.parametrize(
    "manners", [*MANNERS, pytest.param({"etag": False, "last_modified": None}, id="no-validators")]
)
def test_a_change_is_noticed_and_the_old_bytes_go(shelf, tmp_path, manners):
    vars(shelf).update(manners)
    first = resolve(shelf.url, tmp_path)
    shelf.body = b"a,b\n1,2\n3,4\n"
    if shelf.last_modified:
        shelf.last_modified = "Thu, 22 Oct 2015 07:28:00 GMT"
    second = resolve(shelf.url, tmp_path)
    assert second.checksum == sha(shelf.body) != first.checksum
    assert left(tmp_path) == sorted(["index.json", second.checksum])


def test_a_change_within_the_same_second_is_noticed_by_the_size(shelf, tmp_path):
    shelf.etag = False
    first = resolve(shelf.url, tmp_path)
    shelf.body += b"3,4\n"
    assert resolve(shelf.url, tmp_path).checksum == sha(shelf.body) != first.checksum


def test_the_record_serves_where_the_bytes_are_gone(shelf, tmp_path):
    first = resolve(shelf.url, tmp_path)
    first.path.unlink()
    again = resolve(shelf.url, tmp_path)
    assert (again.checksum, again.path) == (first.checksum, None)
    with open_bytes(shelf.url, tmp_path / "out", checksum=first.checksum, store=tmp_path) as opened:
        assert opened.path.read_bytes() == shelf.body
    assert left(tmp_path / "out") == []


@pytest.mark.parametrize("index", ["", "{", "[]", '{"x": 3}', '{"URL": {"checksum": "../../etc"}}', "\x00\xff"])
def test_a_damaged_index_counts_as_empty(shelf, tmp_path, index):
    resolve(shelf.url, tmp_path)
    (tmp_path / "index.json").write_bytes(index.replace("URL", shelf.url).encode("latin-1"))
    assert resolve(shelf.url, tmp_path).checksum == sha(shelf.body)


def test_an_index_of_another_shape_is_not_trusted(shelf, tmp_path):
    resolve(shelf.url, tmp_path)
    index = tmp_path / "index.json"
    index.write_text(index.read_text().replace('"validators"', '"validations"'))
    assert resolve(shelf.url, tmp_path).checksum == sha(shelf.body)


def work(url, folder):
    for _ in range(10):
        resolve(url, folder)


def test_two_processes_share_a_store(shelf, tmp_path):
    shelf.etag, shelf.last_modified = False, None
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work, args=(shelf.url + f"?n={n % 2}", tmp_path)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert left(tmp_path) == sorted(["index.json", sha(shelf.body)])


def test_stored_bytes_are_used_by_the_step_and_not_downloaded_twice(shelf, tmp_path):
    version = resolve(shelf.url, tmp_path)
    shelf.status = [404] * 9
    with open_bytes(shelf.url, tmp_path / "out", checksum=version.checksum, store=tmp_path) as opened:
        assert opened.path == version.path and opened.name == "table.csv"


def test_damaged_stored_bytes_are_fetched_again(shelf, tmp_path):
    version = resolve(shelf.url, tmp_path)
    version.path.write_bytes(b"damaged")
    with open_bytes(shelf.url, tmp_path / "out", checksum=version.checksum, store=tmp_path) as opened:
        assert opened.path.read_bytes() == shelf.body


@pytest.mark.parametrize("stored", [True, False])
def test_a_source_that_changed_since_it_was_resolved_is_refused(shelf, tmp_path, stored):
    version = resolve(shelf.url, tmp_path / "store")
    shelf.body = b"a,b\n9,9\n"
    version.path.unlink()
    with (
        pytest.raises(Refusal, match="changed while it was being read"),
        open_bytes(
            shelf.url, tmp_path / "out", checksum=version.checksum, store=tmp_path / "store" if stored else None
        ),
    ):
        pass
    assert left(tmp_path / "out") == []


def test_without_a_checksum_it_takes_what_is_there(shelf, tmp_path):
    for store in (None, tmp_path / "store"):
        with open_bytes(shelf.url, tmp_path / "out", store=store) as opened:
            assert opened.checksum == sha(shelf.body)


def test_what_a_killed_download_left_is_swept_after_a_day(shelf, tmp_path):
    for name, age in (("old", 90_000), ("new", 10)):
        (tmp_path / f".incoming-{name}").mkdir()
        os.utime(tmp_path / f".incoming-{name}", (time.time() - age,) * 2)
    resolve(shelf.url, tmp_path)
    assert [name for name in left(tmp_path) if name.startswith(".")] == [".incoming-new"]
