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
