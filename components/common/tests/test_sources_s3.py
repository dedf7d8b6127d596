import hashlib

import pytest

from components.common.base.errors import Refusal
from components.common.sources import fetch, open_bytes, resolve

BODY = b"a,b\n1,2\n" * 400_000


def sha(data):
    return hashlib.sha256(data).hexdigest()


def test_an_object_is_fetched_and_known_again(bucket, tmp_path):
    bucket.put_object(Key="a/t.csv", Body=BODY)
    first = resolve("s3://tables/a/t.csv", tmp_path)
    assert first.checksum == sha(BODY) and first.path.read_bytes() == BODY
    written = first.path.stat().st_mtime_ns
    assert resolve("s3://tables/a/t.csv", tmp_path) == first
    assert first.path.stat().st_mtime_ns == written


def test_a_changed_object_is_noticed(bucket, tmp_path):
    bucket.put_object(Key="t.csv", Body=b"a\n1\n")
    first = resolve("s3://tables/t.csv", tmp_path)
    bucket.put_object(Key="t.csv", Body=b"a\n2\n")
    assert resolve("s3://tables/t.csv", tmp_path).checksum == sha(b"a\n2\n") != first.checksum


def test_versions_of_a_bucket_that_keeps_them_are_told_apart(bucket, tmp_path):
    bucket.Versioning().enable()
    bucket.put_object(Key="v.csv", Body=b"a\n1\n")
    first = resolve("s3://tables/v.csv", tmp_path)
    assert resolve("s3://tables/v.csv", tmp_path) == first
    bucket.object_versions.all().delete()
    bucket.Versioning().suspend()


def test_a_step_reads_an_object_without_a_store(bucket, tmp_path):
    bucket.put_object(Key="t.csv", Body=b"a\n1\n")
    with open_bytes("s3://tables/t.csv", tmp_path / "out", checksum=sha(b"a\n1\n")) as opened:
        assert (opened.path.read_bytes(), opened.name, opened.shown) == (b"a\n1\n", "t.csv", "s3://tables/t.csv")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def prefix(bucket):
    """Part files as Spark leaves them, and a folder's mark."""
    for name, body in {"": b"", "part-1.csv": b"a\n3\n", "part-0.csv": b"a\n1\n2\n", "_SUCCESS": b""}.items():
        bucket.put_object(Key=f"spark/{name}", Body=body)
    return bucket


@pytest.fixture
def requests(monkeypatch):
    """The requests for objects, by their keys."""
    from components.common.storage import s3

    seen, get = [], s3.get
    monkeypatch.setattr(s3, "get", lambda address, known: seen.append(address.name) or get(address, known))
    return seen


@pytest.mark.parametrize("source", ["s3://tables/spark/", "s3://tables/spark/part-*.csv", "s3://tables/spark/*"])
def test_a_prefix_has_the_checksum_of_a_folder_and_only_new_parts_are_fetched(prefix, requests, tmp_path, source):
    store, folder = tmp_path / "store", tmp_path / "folder"
    folder.mkdir()
    (folder / "part-0.csv").write_bytes(b"a\n1\n2\n")
    (folder / "part-1.csv").write_bytes(b"a\n3\n")
    first = resolve(source, store)
    assert first.checksum == resolve(str(folder), tmp_path / "other").checksum
    assert requests == ["part-0.csv", "part-1.csv"]
    assert resolve(source, store) == first and len(requests) == 2
    prefix.put_object(Key="spark/part-1.csv", Body=b"a\n4\n")
    assert resolve(source, store) != first and requests[2:] == ["part-1.csv"]
    kept = {path.name for path in store.iterdir()} - {"index.json"}
    assert kept == {sha(b"a\n1\n2\n"), sha(b"a\n4\n"), resolve(source, store).checksum}, "what is old is gone"


@pytest.mark.parametrize("with_store", [True, False], ids=["store", "no-store"])
def test_a_step_reads_the_parts_in_their_order(prefix, requests, tmp_path, with_store):
    store = tmp_path / "store"
    checksum = resolve("s3://tables/spark/", store).checksum
    requests.clear()
    scratch = tmp_path / "out"
    with open_bytes("s3://tables/spark/", scratch, checksum=checksum, store=store if with_store else None) as opened:
        assert [path.read_bytes() for path in opened.path] == [b"a\n1\n2\n", b"a\n3\n"]
        assert opened.name == ["part-0.csv", "part-1.csv"] and opened.checksum == checksum
        assert opened.shown == ["s3://tables/spark/part-0.csv", "s3://tables/spark/part-1.csv"]
    assert requests == ([] if with_store else opened.name)
    assert not scratch.exists() or list(scratch.iterdir()) == []


def test_a_stored_part_that_is_damaged_is_fetched_again(prefix, tmp_path):
    checksum = resolve("s3://tables/spark/", tmp_path / "store").checksum
    (tmp_path / "store" / sha(b"a\n3\n")).write_bytes(b"a\n4\n")
    with open_bytes("s3://tables/spark/", tmp_path / "out", checksum=checksum, store=tmp_path / "store") as opened:
        assert opened.path[1].read_bytes() == b"a\n3\n"


S3_CHANGES = {
    "changed": lambda bucket: bucket.put_object(Key="spark/part-1.csv", Body=b"a\n4\n"),
    "new": lambda bucket: bucket.put_object(Key="spark/part-2.csv", Body=b"a\n4\n"),
    "gone": lambda bucket: bucket.Object("spark/part-1.csv").delete(),
}


@pytest.mark.parametrize("change", S3_CHANGES.values(), ids=S3_CHANGES)
def test_parts_that_change_while_they_are_fetched_are_refused(prefix, tmp_path, monkeypatch, change):
    from components.common.storage import s3

    get = s3.get

    def get_and_change(address, known):
        if address.name == "part-0.csv":
            change(prefix)
        return get(address, known)

    monkeypatch.setattr(s3, "get", get_and_change)
    with pytest.raises(Refusal, match="s3://tables/spark/: the source changed while it was being read"):
        resolve("s3://tables/spark/", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", S3_CHANGES.values(), ids=S3_CHANGES)
def test_other_objects_than_those_that_were_resolved_are_refused(prefix, tmp_path, change):
    checksum = resolve("s3://tables/spark/", tmp_path / "store").checksum
    change(prefix)
    with (
        pytest.raises(Refusal, match="changed while it was being read"),
        open_bytes("s3://tables/spark/", tmp_path / "out", checksum=checksum),
    ):
        pass


def test_a_prefix_of_more_than_a_page_is_read_whole(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    for number in range(5):
        bucket.put_object(Key=f"many/{number}.csv", Body=b"a\n1\n")
    with open_bytes("s3://tables/many/", tmp_path) as opened:
        assert opened.name == ["0.csv", "1.csv", "2.csv", "3.csv", "4.csv"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("s3://tables/none/", ["s3://tables/none/", "no part file", "empty"], id="empty-prefix"),
        pytest.param("s3://tables/f/b*.csv", ["no file matches", "b*.csv", "holds a.csv"], id="no-match"),
        pytest.param("s3://tables/", ["folders", "f"], id="folders"),
        pytest.param("s3://tables/*/a.csv", ["name of a folder"], id="pattern-of-folders"),
        pytest.param("s3://nobucket/f/", ["404", "name of the bucket"], id="no-bucket-of-parts"),
    ],
)
def test_a_prefix_without_a_table_is_refused(bucket, tmp_path, source, words):
    bucket.put_object(Key="f/a.csv", Body=b"a\n1\n")
    with pytest.raises(Refusal) as caught:
        resolve(source, tmp_path)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("s3://tables/none.csv", ["s3://tables/none.csv", "404", "object's name"], id="no-object"),
        pytest.param("s3://nobucket/t.csv", ["404", "bucket"], id="no-bucket"),
    ],
)
def test_what_is_not_there_is_refused(bucket, tmp_path, source, words):
    with pytest.raises(Refusal) as caught:
        resolve(source, tmp_path)
    for word in words:
        assert word in str(caught.value)


def test_a_server_that_is_not_there_is_refused(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Refusal, match=r"(?s)connection failed.*3 times"):
        fetch("s3://tables/t.csv", tmp_path / "t")


def test_an_endpoint_that_is_none_is_refused(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(Refusal, match="AWS_ENDPOINT_URL"):
        fetch("s3://tables/t.csv", tmp_path / "t")


def test_a_public_object_is_read_without_credentials(bucket, tmp_path, monkeypatch):
    bucket.put_object(Key="t.csv", Body=b"a\n1\n", ACL="public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert fetch("s3://tables/t.csv", tmp_path / "t").size == 4


def test_an_answer_that_breaks_half_way_leaves_nothing(shelf, tmp_path, monkeypatch):
    for name, value in (
        ("AWS_ENDPOINT_URL", shelf.url.rpartition("/folder")[0]),
        ("AWS_ACCESS_KEY_ID", "me"),
        ("AWS_SECRET_ACCESS_KEY", "mine"),
    ):
        monkeypatch.setenv(name, value)
    shelf.cut, shelf.body = 9, BODY
    with pytest.raises(Refusal, match=r"(?s)connection.*3 times"):
        fetch("s3://tables/t.csv", tmp_path / "t")
    assert len(shelf.seen) == 3 and list(tmp_path.iterdir()) == []
