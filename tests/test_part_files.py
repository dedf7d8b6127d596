"""Part files as a source, beyond the steps: sent to a cluster, seen by containers, found again for a rerun."""

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.common.sources import resolve
from tabpipe.runs.local_run import mounts_of
from tabpipe.runs.run_sources import find_source
from tests.artifact_stores import moto_server  # noqa: F401 - a fixture


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "rentals"
    folder.mkdir()
    for name, text in {"part-1.csv": "a\n3\n", "part-0.csv": "a\n1\n", "_SUCCESS": ""}.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def bucket(moto, monkeypatch):
    """The bucket tabpipe, and the variables that lead there."""
    import boto3

    for name, value in moto.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="tabpipe")
    yield client
    for one in client.list_objects_v2(Bucket="tabpipe").get("Contents", []):
        client.delete_object(Bucket="tabpipe", Key=one["Key"])
    client.delete_bucket(Bucket="tabpipe")


@pytest.mark.parametrize("form", ["{}", "{}/part-*.csv", "{}/part-0.csv"], ids=["folder", "pattern", "file"])
def test_a_source_that_is_sent_to_a_cluster_is_the_same_there(folder, bucket, tmp_path, monkeypatch, form):
    from tabpipe.cluster import store

    @contextmanager
    def minio(cluster):
        yield bucket

    monkeypatch.setattr(store, "minio", minio)
    here = resolve(form.format(folder), tmp_path / "here").checksum
    address = store.keep_source(None, form.format(folder), print)
    end = "part-0.csv" if form.endswith("0.csv") else ""
    assert address == f"s3://tabpipe/sources/{here}/{end}"
    assert resolve(address, tmp_path / "there").checksum == here
    sent = {one["Key"]: one["LastModified"] for one in bucket.list_objects_v2(Bucket="tabpipe")["Contents"]}
    store.keep_source(None, form.format(folder), print)
    assert {one["Key"]: one["LastModified"] for one in bucket.list_objects_v2(Bucket="tabpipe")["Contents"]} == sent


def test_a_container_sees_the_folder_of_part_files(folder):
    assert mounts_of(str(folder)) == mounts_of(f"{folder}/part-*.csv") == [folder]
    assert mounts_of(f"{folder}/part-0.csv") == [folder / "part-0.csv"]
    assert mounts_of("s3://bucket/folder/") == []


def test_a_container_keeps_a_tmp_of_its_own(tmp_path):
    with Path(f"/tmp/{tmp_path.name}-part.csv").open("w") as file:
        try:
            assert mounts_of(f"/tmp/{tmp_path.name}-*.csv") == [Path(file.name)]
        finally:
            Path(file.name).unlink()


def test_a_folder_that_is_output_or_is_named_twice_is_mounted_once(tmp_path):
    from tabpipe.engines.docker import runner

    mounts = runner([tmp_path], [tmp_path, tmp_path / "a", tmp_path / "a"]).container_run_args["mounts"]
    assert [(mount["Target"], mount["ReadOnly"]) for mount in mounts] == [
        (str(tmp_path), False),
        (str(tmp_path / "a"), True),
    ]


def kept(source, checksum):
    return SimpleNamespace(
        run_id="r", summary={"checksum": checksum}, config={"download": {"source": source}}, outputs={}
    )


@pytest.mark.parametrize("form", ["{}", "{}/part-*.csv"], ids=["folder", "pattern"])
def test_part_files_that_did_not_change_are_found_for_a_rerun(folder, tmp_path, form):
    source = form.format(folder)
    run = kept(source, resolve(source, tmp_path / "store").checksum)
    assert find_source(run, tmp_path / "fresh").source == source


def test_objects_that_an_earlier_run_fetched_are_found_for_a_rerun(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("TABPIPE_HOME", str(tmp_path / "home"))
    for number in range(2):
        bucket.put_object(Bucket="tabpipe", Key=f"rentals/{number}.csv", Body=b"a\n%d\n" % number)
    source = "s3://tabpipe/rentals/"
    checksum = resolve(source, tmp_path / "home" / "store").checksum
    bucket.delete_object(Bucket="tabpipe", Key="rentals/1.csv")
    found = find_source(kept(source, checksum), tmp_path / "fresh").source
    assert resolve(found, tmp_path / "other").checksum == checksum
