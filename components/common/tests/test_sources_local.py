import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.common.base.errors import Refusal
from components.common.base.redact import redact
from components.common.sources import fetch, open_bytes, parse, resolve
from components.common.tables.reader import open_table

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def table(tmp_path):
    """A file that was written a minute ago."""
    path = tmp_path / "my table.csv"
    path.write_text("a,b\n1,2\n")
    aged(path)
    return path


def aged(path, seconds=60):
    os.utime(path, (time.time() - seconds,) * 2)


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


FORMS = {
    "path": str,
    "uri": Path.as_uri,
    "localhost": lambda path: path.as_uri().replace("file://", "file://localhost"),
    "relative": os.path.relpath,
}


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
def test_a_path_in_any_form_is_read_where_it_lies(table, tmp_path, write):
    form = write(table)
    version = resolve(form, tmp_path / "store")
    assert version.checksum == sha(table) and version.path.samefile(table)
    with open_bytes(form, tmp_path / "out", checksum=version.checksum) as opened:
        assert opened.path.samefile(table) and opened.checksum == version.checksum and opened.name == "my table.csv"
    assert not (tmp_path / "out").exists(), "nothing is copied"


def test_an_unchanged_file_is_not_read_again(table, tmp_path):
    first = resolve(str(table), tmp_path / "store")
    index = tmp_path / "store" / "index.json"
    entries = json.loads(index.read_text())
    entries[str(table)]["checksum"] = "0" * 64
    index.write_text(json.dumps(entries))
    assert resolve(str(table), tmp_path / "store").checksum == "0" * 64 != first.checksum


def test_a_changed_file_has_a_new_checksum(table, tmp_path):
    first = resolve(str(table), tmp_path / "store")
    table.write_text("a,b\n3,4\n")
    aged(table, 30)
    assert resolve(str(table), tmp_path / "store").checksum == sha(table) != first.checksum


def test_a_file_replaced_by_one_of_equal_size_and_time_is_noticed(table, tmp_path):
    first, times = resolve(str(table), tmp_path / "store"), table.stat()
    other = tmp_path / "other"
    other.write_text("a,b\n3,4\n")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(table)
    assert resolve(str(table), tmp_path / "store").checksum != first.checksum


def test_a_file_written_a_moment_ago_is_read_again(table, tmp_path):
    table.write_text("a,b\n1,1\n")
    times = table.stat()
    first = resolve(str(table), tmp_path / "store")
    table.write_text("a,b\n2,2\n")
    os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert resolve(str(table), tmp_path / "store").checksum != first.checksum


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("{folder}/my tabel.csv", ["does not exist", "'my table.csv'"], id="missing-with-the-nearest"),
        pytest.param("{folder}/fruit.csv", ["its folder holds my table.csv"], id="missing-with-what-is-there"),
        pytest.param("{folder}/none/t.csv", ["does not exist", "no folder"], id="missing-folder"),
        pytest.param("/dev/null", ["no regular file"], id="a-device"),
        pytest.param("a\0b", ["not a path"], id="no-path"),
        pytest.param("gs://bucket/t.csv", ["gs://", "known"], id="unknown-scheme"),
        pytest.param("htp://host/t.csv", ["htp", "'http'"], id="misspelt-scheme"),
        pytest.param("s3://bucket", ["bucket and an object"], id="s3-without-object"),
        pytest.param("http:///t.csv", ["no host"], id="no-host"),
        pytest.param("http://host:port/t.csv", ["not a URL"], id="no-port"),
        pytest.param("file://elsewhere/t.csv", ["this machine"], id="file-of-another-machine"),
    ],
)
def test_what_is_no_source_is_refused(table, tmp_path, source, words):
    with pytest.raises(Refusal) as caught:
        resolve(source.format(folder=tmp_path), tmp_path / "store")
    for word in words:
        assert word in str(caught.value)


@pytest.fixture
def folder(tmp_path):
    """Part files as Spark leaves them, written a minute ago."""
    folder = tmp_path / "spark"
    folder.mkdir()
    for name, text in {
        "part-1.csv": "a\n3\n",
        "part-0.csv": "a\n1\n2\n",
        "_SUCCESS": "",
        ".part-0.csv.crc": "x",
    }.items():
        (folder / name).write_text(text)
        aged(folder / name)
    return folder


PART_FORMS = {
    "folder": str,
    "folder-with-slash": lambda folder: f"{folder}/",
    "uri": Path.as_uri,
    "relative": os.path.relpath,
    "pattern": lambda folder: f"{folder}/part-?.csv",
    "relative-pattern": lambda folder: f"{os.path.relpath(folder)}/*.csv",
    "pattern-of-all": lambda folder: f"{folder}/*",
}


@pytest.mark.parametrize("write", PART_FORMS.values(), ids=PART_FORMS)
def test_part_files_are_read_where_they_lie_in_the_order_of_their_names(folder, tmp_path, write):
    form = write(folder)
    version = resolve(form, tmp_path / "store")
    names = ["part-0.csv", "part-1.csv"]
    digests = {name: sha(folder / name) for name in names}
    assert version.checksum == hashlib.sha256(json.dumps(digests).encode()).hexdigest()
    with open_bytes(form, tmp_path / "out", checksum=version.checksum) as opened:
        assert [path.resolve() for path in opened.path] == [folder / name for name in names]
        assert opened.name == names and opened.size == 10
        start = form.rstrip("/") if "*" not in form and "?" not in form else form.rpartition("/")[0]
        assert opened.shown == [f"{start}/{name}" for name in names]
        with open_table(opened.path, name=opened.name, where=opened.shown) as table:
            assert [value for chunk in table.chunks for value in chunk.columns["a"].to_pylist()] == ["1", "2", "3"]
    assert not (tmp_path / "out").exists(), "nothing is copied"


def test_a_pattern_without_folder_matches_in_this_one(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    with open_bytes("part-[01].csv", tmp_path) as opened:
        assert opened.shown == opened.name == ["part-0.csv", "part-1.csv"]


def test_a_file_whose_name_looks_like_a_pattern_is_one_file(folder, tmp_path):
    odd = folder / "part-[01].csv"
    odd.write_text("a\n9\n")
    version = resolve(str(odd), tmp_path / "store")
    assert version.path == odd and version.checksum == sha(odd)


def test_only_changed_parts_are_read_again(folder, tmp_path):
    store = tmp_path / "store"
    resolve(str(folder), store)
    index = json.loads((store / "index.json").read_text())
    index[str(folder)]["parts"]["part-0.csv"]["checksum"] = "0" * 64
    (store / "index.json").write_text(json.dumps(index))
    (folder / "part-1.csv").write_text("a\n4\n")
    digests = {"part-0.csv": "0" * 64, "part-1.csv": sha(folder / "part-1.csv")}
    assert resolve(str(folder), store).checksum == hashlib.sha256(json.dumps(digests).encode()).hexdigest()


CHANGES = {
    "changed": lambda folder: (folder / "part-1.csv").write_text("a\n4\n"),
    "new": lambda folder: (folder / "part-2.csv").write_text("a\n4\n"),
    "gone": lambda folder: (folder / "part-1.csv").unlink(),
    "renamed": lambda folder: (folder / "part-1.csv").rename(folder / "part-2.csv"),
    "folder-gone": lambda folder: folder.rename(folder.with_name("elsewhere")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("fails", [False, True], ids=["read-well", "read-badly"])
def test_parts_that_change_while_they_are_read_are_refused(folder, tmp_path, change, fails):
    with (
        pytest.raises(Refusal, match="spark: the source changed while it was being read"),
        open_bytes(str(folder), tmp_path),
    ):
        change(folder)
        if fails:
            raise Refusal("the last line is cut")


@pytest.mark.parametrize("change", [CHANGES[name] for name in ("changed", "new", "gone", "renamed")])
def test_other_parts_than_those_that_were_resolved_are_refused(folder, tmp_path, change):
    checksum = resolve(str(folder), tmp_path / "store").checksum
    change(folder)
    with (
        pytest.raises(Refusal, match="changed while it was being read"),
        open_bytes(str(folder), tmp_path, checksum=checksum),
    ):
        pass
    assert resolve(str(folder), tmp_path / "store").checksum != checksum


def test_a_mark_that_is_no_part_changes_nothing(folder, tmp_path):
    first = resolve(str(folder), tmp_path / "store")
    with open_bytes(str(folder), tmp_path, checksum=first.checksum):
        (folder / "_SUCCESS").write_text("again")
        (folder / "_temporary").mkdir()
    assert resolve(str(folder), tmp_path / "store") == first


@pytest.mark.parametrize(
    ("made", "source", "words"),
    [
        pytest.param([], "{}", ["no part file", "_SUCCESS"], id="marks-alone"),
        pytest.param(["a.csv"], "{}/2026-*.csv", ["no file matches", "2026-*.csv", "a.csv"], id="no-match"),
        pytest.param([], "{}/none/*.csv", ["No such file", "none"], id="pattern-without-folder"),
        pytest.param(["a/b.csv"], "{}/*/b.csv", ["pattern", "name of a folder"], id="pattern-of-folders"),
        pytest.param(["year=2026/a.csv"], "{}", ["folders", "year=2026", "partitions"], id="partitions"),
        pytest.param(["b.parquet/a", "a.parquet"], "{}/*.parquet", ["folders", "b.parquet"], id="match-is-a-folder"),
        pytest.param(["_delta_log/0.json", "a.parquet"], "{}", ["Delta table"], id="delta"),
    ],
)
def test_what_is_no_table_of_part_files_is_refused(tmp_path, made, source, words):
    for name in ["_SUCCESS", *made]:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a\n1\n")
    with pytest.raises(Refusal) as caught:
        resolve(source.format(tmp_path / "in"), tmp_path / "store")
    for word in words:
        assert word in str(caught.value)


def test_an_unreadable_part_is_named(folder, tmp_path):
    (folder / "part-2.csv").symlink_to(folder / "nothing")
    with pytest.raises(Refusal, match=r"part-2\.csv: the file does not exist"):
        resolve(str(folder), tmp_path / "store")


def test_a_sample_is_known_by_its_name(tmp_path):
    assert resolve("sample://iris", tmp_path).checksum == "sample:iris"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ann:pw@host/t.csv", "https://host/t.csv"),
        ("https://host/t.csv?a=1&token=x&Sig=y", "https://host/t.csv?a=1&token=***&Sig=***"),
        ("https://host/t?X-Amz-Credential=k&X-Amz-Date=d", "https://host/t?X-Amz-Credential=***&X-Amz-Date=***"),
        ("https://host/t?api_key=k&page=2#part", "https://host/t?api_key=***&page=2"),
        ("s3://key:secret@bucket/t", "s3://bucket/t"),
        ("/plain/path?token=1", "/plain/path?token=1"),
    ],
)
def test_secrets_are_not_shown(url, shown):
    assert redact(url) == shown
    assert parse(url).shown == shown


def test_the_name_of_a_url_is_no_path():
    assert parse("https://host/folder/..%2F..%2Fetc%2Ftable.csv?a=b").name == "table.csv"


@pytest.mark.parametrize("fails", [False, True], ids=["read-well", "read-badly"])
def test_a_file_that_changes_while_it_is_read_is_refused(table, tmp_path, fails):
    with pytest.raises(Refusal, match="changed while it was being read"), open_bytes(str(table), tmp_path):
        table.write_text("a,b\n1,2\n3,4\n")
        if fails:
            raise Refusal("the last line is cut")


def test_a_file_that_is_not_the_one_that_was_resolved_is_refused(table, tmp_path):
    with (
        pytest.raises(Refusal, match="changed while it was being read"),
        open_bytes(str(table), tmp_path, checksum="0" * 64),
    ):
        pass


def test_a_full_disk_is_not_taken_for_a_broken_connection(tmp_path):
    """A limit on the size of files stands in for the full disk: both fail in the middle of a write."""
    code = f"""
import resource, signal, sys
from components.common.sources import fetch
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
try:
    fetch({str(tmp_path / "big")!r}, {str(tmp_path / "copy")!r})
except OSError as error:
    sys.exit(error.errno)
"""
    (tmp_path / "big").write_bytes(bytes(3_000_000))
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT)
    assert done.returncode == 27, "EFBIG"
    assert [path.name for path in tmp_path.iterdir()] == ["big"]


def test_fetching_a_path_copies_it(table, tmp_path):
    got = fetch(str(table), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == table.read_bytes() and got.sha256 == sha(table)


def test_local_files_need_no_network_library():
    code = (
        "import sys; import components.common.sources as s; s.resolve('sample://iris', None); "
        "print({'requests', 'boto3', 'pandas', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
