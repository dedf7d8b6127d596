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
        pytest.param("{folder}", ["folder", "my table.csv"], id="a-folder"),
        pytest.param("/dev/null", ["no regular file"], id="a-device"),
        pytest.param("a\0b", ["not a path"], id="no-path"),
        pytest.param("gs://bucket/t.csv", ["gs://", "known"], id="unknown-scheme"),
        pytest.param("htp://host/t.csv", ["htp", "'http'"], id="misspelt-scheme"),
        pytest.param("s3://bucket", ["bucket and an object"], id="s3-without-object"),
        pytest.param("s3://bucket/folder/", ["bucket and an object"], id="s3-folder"),
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
