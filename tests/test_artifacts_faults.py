"""The artifact store when something goes wrong: damage, dying servers, full disks, killed writers."""

import contextlib
import hashlib
import http.server
import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time

import pytest

from components.common.artifacts import aliases, open_store
from components.common.artifacts.garbage_collection import collect, give_up
from components.common.artifacts.manifest import files_of, manifest_of
from components.common.artifacts.objects import key_of
from components.common.base.errors import Refusal
from components.common.storage.multipart import PART
from tests.artifact_stores import (
    KEYS,
    MINIO,
    NO_MINIO,
    Minio,
    any_real_url,  # noqa: F401 - a fixture, as is the next one
    any_url,  # noqa: F401
    bucket_url,
    flip,
    keys,
    minio_server,  # noqa: F401
    moto_server,  # noqa: F401
    overwrite,
    started,
    write,
)

DAY = 86400


def large(folder, parts=3):
    path = folder / "large"
    path.write_bytes(random.Random(0).randbytes(parts * PART))
    return path


def nothing_is_visible(store):
    return store.names() == [] and keys(store, "names/") == []


# --- damage


@pytest.mark.parametrize("change", [flip, lambda data: data[:-1], lambda data: b""], ids=["flipped", "cut", "emptied"])
@pytest.mark.parametrize("part", ["file", "file-in-folder", "manifest"])
def test_damaged_bytes_are_noticed_on_reading(url, tmp_path, change, part):
    store = open_store(url)
    if part == "file":
        digest = store.put("t", write(tmp_path / "t", "precious data")).digest
    else:
        write(tmp_path / "m" / "weights", "precious data")
        version = store.put("t", tmp_path / "m")
        digest = version.digest if part == "manifest" else store.files(version)["weights"][0]
    overwrite(store, key_of(digest), change)
    with pytest.raises(Refusal) as caught:
        store.get("t:v0", tmp_path / "out")
    for word in ("bytes of t:v0 are damaged", store.place.where(key_of(digest)), "put the same data as t again"):
        assert word in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".out", "out"))) == []


def test_putting_the_data_again_mends_what_was_lost_or_cut(url, tmp_path):
    store = open_store(url)
    for change in (None, lambda data: data[:-1]):
        version = store.put("t", write(tmp_path / "t", "precious data"))
        overwrite(store, key_of(version.digest), change)
        with pytest.raises(Refusal, match=r"missing|damaged"):
            store.get("t", tmp_path / "out")
        assert store.put("t", tmp_path / "t").ref == "t:v0"
        assert store.get("t", tmp_path / "out").read_text() == "precious data"


@pytest.mark.parametrize("damage", [b"{", b"{}", b"[0]", b"\xff"], ids=["cut", "empty", "list", "bytes"])
@pytest.mark.parametrize(
    "record", ["versions/00000000.json", "removed/00000001.json", "made/", "aliases/prod/", "aliases/latest/"]
)
def test_a_damaged_record_is_named(tmp_path, record, damage):
    store = open_store(tmp_path / "store")
    for number, text in enumerate(["one", "two", "three", "four", "one"]):
        store.put("t", write(tmp_path / "t", text), inputs=[str(number) * 64])
    store.alias("t", "prod", "v0")
    give_up(store, "t:v1")
    key = min(key for key in keys(store, "names/t/") if key.startswith(f"names/t/{record}"))
    overwrite(store, key, lambda data: damage)
    with pytest.raises(Refusal, match="record of the artifact store is damaged") as caught:
        collect(open_store(tmp_path / "store"), 0)
    assert store.place.where(key) in str(caught.value)


def test_a_missing_record_is_named_and_nothing_is_collected(url, tmp_path):
    store = open_store(url)
    for text in ("one", "two"):
        store.put("t", write(tmp_path / "t", text))
    store.place.delete(["names/t/versions/00000000.json"])
    before = keys(store)
    for use in (lambda one: one.versions("t"), lambda one: collect(one, 0), lambda one: one.put("t", tmp_path / "t")):
        with pytest.raises(Refusal, match="record of the artifact store is missing"):
            use(open_store(url))
    assert keys(store) == before


def test_gc_deletes_nothing_where_it_cannot_tell_what_is_needed(url, tmp_path):
    store = open_store(url)
    write(tmp_path / "m" / "weights", "precious data")
    manifest = store.put("m", tmp_path / "m").digest
    for text in ("one", "two"):
        store.put("t", write(tmp_path / "t", text))
    overwrite(store, key_of(manifest), flip)
    before = keys(store)
    with pytest.raises(Refusal, match="m:v0 are damaged"):
        collect(store, 0)
    assert keys(store) == before


@pytest.mark.parametrize("path", ["../evil", "/tmp/evil", "a/../../evil", ".", "a//b"])
def test_a_folder_that_would_write_outside_of_itself_is_refused(tmp_path, path):
    store = open_store(tmp_path / "store")
    write(tmp_path / "m" / "a", "x")
    version = store.put("m", tmp_path / "m")
    evil = manifest_of({path: store.files(version)["a"]})
    digest = hashlib.sha256(evil).hexdigest()
    store.place.upload_bytes(key_of(digest), evil, digest)
    overwrite(
        store, "names/m/versions/00000000.json", lambda data: data.replace(version.digest.encode(), digest.encode())
    )
    with pytest.raises(Refusal, match="outside of itself"):
        open_store(tmp_path / "store").get("m", tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("evil"))


NAMES = {
    "a file's name that leads out": ("filename", "../../evil"),
    "a file's name that is a path": ("filename", "/tmp/evil"),
    "a file's name that is the folder above": ("filename", ".."),
    "a file's name that is none": ("filename", ""),
    "a file's name that is no text": ("filename", 7),
    "a digest that is a path": ("digest", "../../../evil"),
    "a digest that is too short": ("digest", "abcdef"),
}


@pytest.mark.parametrize(("field", "value"), NAMES.values(), ids=NAMES)
def test_a_record_with_a_path_for_a_name_is_refused(tmp_path, field, value):
    store = open_store(tmp_path / "store")
    store.put("t", write(tmp_path / "t", "data"))
    key = "names/t/versions/00000000.json"

    def rewritten(data):
        document = json.loads(data)
        document[field] = value
        return json.dumps(document).encode()

    overwrite(store, key, rewritten)
    (tmp_path / "deep" / "out").mkdir(parents=True)
    again, words = open_store(tmp_path / "store"), "not the name of a file" if field == "filename" else "not a digest"
    for use in (lambda: again.versions("t"), lambda: again.get("t", tmp_path / "deep" / "out")):
        with pytest.raises(Refusal, match=words) as caught:
            use()
        assert store.place.where(key) in str(caught.value)
        assert caught.value.value == value
    assert not list(tmp_path.rglob("evil"))


def test_a_manifest_with_a_path_for_a_digest_is_refused():
    with pytest.raises(Refusal, match="not a digest") as caught:
        files_of(manifest_of({"a": ("../../evil", 1)}), "the manifest")
    assert (caught.value.where, caught.value.value) == ("the manifest", "../../evil")


def test_no_alias_takes_the_place_of_a_digest(tmp_path):
    store = open_store(tmp_path / "store")
    wanted = store.put("t", write(tmp_path / "t", "wanted"))
    other = store.put("t", write(tmp_path / "t", "other"))
    aliases.move(store.place, "t", wanted.digest, other.number, "somebody", None, {})
    assert store.resolve(f"t:{wanted.digest}").ref == wanted.ref


def test_a_folder_is_called_by_its_name_however_it_is_given(tmp_path, monkeypatch):
    (write(tmp_path / "m" / "inner" / "a", "x").parent / "more").mkdir()
    monkeypatch.chdir(tmp_path / "m" / "inner" / "more")
    store = open_store(tmp_path / "store")
    assert store.put("m", "..").filename == "inner"
    assert store.resolve("m").filename == "inner"


def test_a_store_of_another_format_is_not_written_to(url, tmp_path):
    store = open_store(url)
    store.put("t", write(tmp_path / "t", "one"))
    overwrite(store, "store.json", lambda data: b'{"format": 2}')
    before = keys(store)
    with pytest.raises(Refusal, match="another format"):
        open_store(url).put("t", write(tmp_path / "t", "two"))
    assert keys(store) == before


# --- what cannot be put


def test_what_cannot_be_stored_is_refused(tmp_path):
    store = open_store(tmp_path / "store")
    (tmp_path / "empty").mkdir()
    write(tmp_path / "linked" / "a", "x")
    (tmp_path / "linked" / "b").symlink_to("/etc/hostname")
    (tmp_path / "piped").mkdir()
    os.mkfifo(tmp_path / "piped" / "p")
    for path, words in [
        ("none", "no such file"),
        ("empty", "no files"),
        ("linked", "a symbolic link"),
        ("piped", "no regular file"),
        ("piped/p", "no regular file"),
    ]:
        with pytest.raises(Refusal, match=words):
            store.put("t", tmp_path / path)
    file = write(tmp_path / "t", "x")
    for more, words in [
        ({"metadata": {"x": object()}}, "not JSON"),
        ({"metadata": {"x": float("nan")}}, "not JSON"),
        ({"made_by": {"who": "me"}}, "made_by does not know"),
        ({"inputs": ["none:v0"]}, "no artifact none"),
    ]:
        with pytest.raises(Refusal, match=words):
            store.put("t", file, **more)
    assert nothing_is_visible(store)


def test_a_file_that_changes_meanwhile_makes_no_version(url, tmp_path):
    store, path = open_store(url), large(tmp_path)

    def meddle(done, whole):
        with open(path, "r+b") as file:
            file.write(b"meddled")

    with pytest.raises(Refusal, match="changed while it was being stored"):
        store.put("t", path, progress=meddle)
    assert nothing_is_visible(store) and keys(store, "objects/") == []
    assert store.put("t", path).new
    assert store.get("t", tmp_path / "out").read_bytes()[:7] == b"meddled"


# --- servers


@pytest.fixture
def own_minio(tmp_path, monkeypatch):
    """A MinIO that a test may kill."""
    if not MINIO:
        pytest.skip(NO_MINIO)
    server = Minio(tmp_path / "minio")
    yield server, bucket_url(server.environment, monkeypatch)
    server.kill()


def killed_after(server, parts, then=lambda: None):
    """A listener for progress that kills a server after some parts, once."""
    heard = []

    def hear(done, whole):
        heard.append(done)
        if len(heard) == parts:
            server.kill()
            then()

    return hear


def test_a_server_killed_in_mid_upload_leaves_nothing_visible(own_minio, tmp_path):
    server, url = own_minio
    path = large(tmp_path, 8)
    with pytest.raises(Refusal, match=r"(?s)connection failed.*3 times"):
        open_store(url).put("t", path, progress=killed_after(server, 2))
    with pytest.raises(Refusal, match=r"(?s)connection failed.*3 times"):
        open_store(url).names()
    server.start()
    store = open_store(url)
    assert nothing_is_visible(store) and keys(store, "objects/") == []
    assert store.put("t", path).ref == "t:v0"
    assert store.get("t", tmp_path / "out").read_bytes() == path.read_bytes()


def test_a_server_that_is_back_at_once_is_not_even_noticed(own_minio, tmp_path):
    server, url = own_minio
    path = large(tmp_path, 8)
    store = open_store(url)
    version = store.put("t", path, progress=killed_after(server, 2, server.start))
    assert version.new and store.get("t", tmp_path / "out").read_bytes() == path.read_bytes()


def test_a_server_killed_in_mid_download_leaves_nothing(own_minio, tmp_path):
    server, url = own_minio
    store = open_store(url)
    store.put("t", large(tmp_path, 8))
    with pytest.raises(Refusal, match=r"(?s)connection.*3 times"):
        store.get("t", tmp_path / "out" / "file", progress=killed_after(server, 3))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "prefix", "words"),
    [
        pytest.param({"AWS_SECRET_ACCESS_KEY": "wrong"}, "", ["403", "AWS_SECRET_ACCESS_KEY"], id="wrong-secret"),
        pytest.param({"AWS_ACCESS_KEY_ID": "nobody"}, "", ["403", "AWS_ACCESS_KEY_ID"], id="unknown-key"),
        pytest.param({}, "s3://no-such-bucket/x", ["404 NoSuchBucket", "name of the bucket"], id="no-bucket"),
        pytest.param({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "", ["connection failed", "3 times"], id="no-server"),
        pytest.param({"AWS_ENDPOINT_URL": "nonsense"}, "", ["AWS_ENDPOINT_URL"], id="no-address"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_refused(minio, tmp_path, monkeypatch, settings, prefix, words):
    url = bucket_url(minio.environment, monkeypatch)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("components.common.storage.fetch.PAUSES", (0.0, 0.0))
    write(tmp_path / "t", "one")
    for use in (lambda store: store.put("t", tmp_path / "t"), lambda store: store.resolve("t")):
        with pytest.raises(Refusal) as caught:
            use(open_store(prefix or url))
        for word in words:
            assert word in str(caught.value)
        assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)


class Forgetful(http.server.BaseHTTPRequestHandler):
    """An object store that overwrites whatever it is asked to, conditions or not."""

    protocol_version = "HTTP/1.1"
    held: dict[str, bytes] = {}  # noqa: RUF012

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"x"')
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        self.held[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200)

    def do_GET(self):
        if self.path in self.held:
            self.answer(200, self.held[self.path])
        else:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def log_message(self, *_):
        pass


def test_a_server_that_heeds_no_conditions_is_refused(tmp_path, monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forgetful)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(Refusal, match=r"(?s)overwrites what it was asked not to.*If-None-Match"):
        open_store("s3://bucket/x").put("t", write(tmp_path / "t", "one"))
    server.shutdown()
    server.server_close()


# --- disks


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tabpipe-test", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_makes_no_version(small_disk, tmp_path):
    store = open_store(small_disk / "store")
    store.put("small", write(tmp_path / "s", "fits"))
    with pytest.raises(Refusal, match=r"(?s)no space left on the disk; no version was made.*tabpipe artifacts gc"):
        store.put("large", large(tmp_path, 1))
    assert store.names() == ["small"]
    assert os.listdir(small_disk / "store" / "incoming") == []
    assert store.get("small", tmp_path / "out").read_text() == "fits"


def test_a_full_disk_gets_no_half_file(small_disk, tmp_path):
    store = open_store(tmp_path / "store")
    store.put("t", large(tmp_path, 1))
    write(tmp_path / "m" / "a", "x")
    (tmp_path / "large").rename(tmp_path / "m" / "large")
    store.put("m", tmp_path / "m")
    for ref in ("t", "m"):
        with pytest.raises(Refusal, match="no space left on the disk"):
            store.get(ref, small_disk / "out")
        assert os.listdir(small_disk) == []


def test_a_folder_that_may_only_be_read_is_read_and_not_written_to(small_disk, tmp_path):
    store = open_store(small_disk / "store")
    store.put("t", write(tmp_path / "t", "one"))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    store = open_store(small_disk / "store")
    assert store.get("t", tmp_path / "out").read_text() == "one"
    for use in (
        lambda: store.put("t", write(tmp_path / "t", "two")),
        lambda: store.alias("t", "prod", "v0"),
        lambda: open_store(small_disk / "new").put("t", tmp_path / "t"),
    ):
        with pytest.raises(Refusal, match=r"(?s)cannot be used \(Read-only.*TABPIPE_ARTIFACTS"):
            use()
    assert [version.ref for version in store.versions("t")] == ["t:v0"]


def test_a_folder_without_permission_is_refused():
    with tempfile.TemporaryDirectory() as closed:  # not below tmp_path, whose parents other users may not enter
        os.chmod(closed, 0o555)
        source = "/etc/passwd"
        reading, writing = os.pipe()
        child = os.fork()
        if not child:  # Root may write anywhere, so it is another user who tries.
            try:
                if not os.geteuid():
                    os.setuid(65534)
                open_store(f"{closed}/store").put("t", source)
                os.write(writing, b"stored")
            except Refusal as refusal:
                os.write(writing, str(refusal).encode())
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        said = os.read(reading, 10_000).decode()
        os.close(reading)
    assert "the artifact store cannot be used (Permission denied)" in said and "TABPIPE_ARTIFACTS" in said


# --- killed writers and collectors

HANGS = """
import sys, time
from components.common.artifacts import open_store
def hang(done, whole):
    print("half", flush=True)
    time.sleep(600)
open_store(sys.argv[1]).put("t", sys.argv[2], progress=hang)
"""


@contextlib.contextmanager
def stopped_in_mid_put(url, path):
    process = started(HANGS, url, path)
    assert process.stdout.readline() == "half\n"
    yield process
    process.kill()
    process.wait()


def test_a_writer_killed_in_mid_put_leaves_nothing_that_gc_does_not_clear(real_url, tmp_path):
    url = real_url  # moto says of every upload that it was begun in 2010
    path = large(tmp_path, 8)
    with stopped_in_mid_put(url, path) as writer:
        writer.send_signal(signal.SIGKILL)
    store = open_store(url)
    left = leftovers(store, url)
    assert nothing_is_visible(store) and left
    collect(store, 0)
    assert leftovers(store, url) == left, "a writer that may be alive is left alone"
    done = collect(store, 0, at=time.time() + 2 * DAY)
    if not url.startswith("s3://"):  # MinIO does not list them by prefix, and gives them up by itself after a day
        assert done.uploads == len(left) and leftovers(store, url) == []
    assert keys(store) == []
    assert store.put("t", path).ref == "t:v0"


def leftovers(store, url):
    """What interrupted uploads have left."""
    if not url.startswith("s3://"):
        return keys(store, "incoming/")
    import boto3

    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    digest = hashlib.sha256(random.Random(0).randbytes(8 * PART)).hexdigest()
    answer = boto3.client("s3").list_multipart_uploads(Bucket=bucket, Prefix=f"{prefix}/{key_of(digest)}")
    return answer.get("Uploads", [])


def test_gc_leaves_the_bytes_of_a_writer_in_mid_put_alone(url, tmp_path, monkeypatch):
    store, writer = open_store(url), open_store(url)
    store.put("t", write(tmp_path / "t", "old bytes"))
    store.put("t", write(tmp_path / "u", "new bytes"))
    at = time.time() + 2 * DAY
    claim = writer.records.claim

    def collect_first(version):
        assert collect(store, 0, at=time.time()).keys == [], "what was stored or taken up today is spared"
        return claim(version)

    monkeypatch.setattr(writer.records, "claim", collect_first)
    assert [version.ref for version in collect(open_store(url), 0).versions] == ["t:v0"]
    assert writer.put("other", tmp_path / "t").ref == "other:v0"
    collect(open_store(url), 0, at=at)
    assert writer.get("other", tmp_path / "out").read_text() == "old bytes"


def test_old_bytes_that_are_put_again_are_young_and_come_back_if_they_went(tmp_path, monkeypatch):
    store = open_store(tmp_path / "store")
    digest = store.put("t", write(tmp_path / "t", "old bytes")).digest
    store.put("t", write(tmp_path / "u", "new bytes"))
    path = tmp_path / "store" / key_of(digest)
    os.utime(path, (0, 0))
    store.put("other", tmp_path / "t")
    assert time.time() - path.stat().st_mtime < 600
    os.utime(path, (0, 0))
    claim = store.records.made_again
    monkeypatch.setattr(store.records, "made_again", lambda *said: path.unlink() or claim(*said))
    store.put("other", tmp_path / "t")
    assert store.get("other", tmp_path / "out").read_text() == "old bytes"


def test_a_version_that_is_put_again_while_gc_gives_it_up_stays(url, tmp_path, monkeypatch):
    store, writer = open_store(url), open_store(url)
    store.put("t", write(tmp_path / "t", "old bytes"))
    store.put("t", write(tmp_path / "u", "new bytes"))
    made_again = writer.records.made_again

    def collect_first(version, making):
        assert [one.ref for one in collect(store, 0).versions] == ["t:v0"]
        made_again(version, making)

    monkeypatch.setattr(writer.records, "made_again", collect_first)
    assert writer.put("t", tmp_path / "t").ref == "t:v0"
    assert open_store(url).get("t", tmp_path / "out").read_text() == "old bytes"


def test_gc_takes_back_what_gets_an_alias_meanwhile(url, tmp_path, monkeypatch):
    store = open_store(url)
    store.put("t", write(tmp_path / "t", "one"))
    store.put("t", write(tmp_path / "u", "two"))
    remove = store.records.remove

    def alias_first(version, record):
        aliases.move(store.place, "t", "prod", 0, "me", None, {})
        return remove(version, record)

    monkeypatch.setattr(store.records, "remove", alias_first)
    assert collect(store, 0).versions == []
    assert open_store(url).resolve("t:prod").ref == "t:v0"


def test_an_alias_that_comes_too_late_is_refused_and_taken_back(url, tmp_path, monkeypatch):
    store, other = open_store(url), open_store(url)
    store.put("t", write(tmp_path / "t", "one"))
    store.put("t", write(tmp_path / "u", "two"))
    move = aliases.move

    def collect_first(*said):
        collect(other, 0)
        return move(*said)

    monkeypatch.setattr(aliases, "move", collect_first)
    with pytest.raises(Refusal, match="t:v0 was removed"):
        store.alias("t", "prod", "v0")
    monkeypatch.undo()
    assert "prod" not in store.aliases("t")


def test_touched_bytes_are_young_and_the_same(url, tmp_path):
    store = open_store(url)
    key = key_of(store.put("t", write(tmp_path / "t", "bytes")).digest)
    before = store.place.look(key)
    after = before
    while after.modified == before.modified:  # a bucket tells whole seconds
        time.sleep(0.05)
        assert store.place.touch(key)
        after = store.place.look(key)
    assert after.modified > before.modified and after.bytes == before.bytes
    assert store.get("t", tmp_path / "out").read_text() == "bytes"
    store.place.delete([key])
    assert not store.place.touch(key) and store.place.look(key) is None
