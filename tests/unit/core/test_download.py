"""Downloads against a real server on loopback that breaks in every way servers do."""

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from piyard.core import download
from piyard.core import mirror as mirrors
from piyard.core.download import ATTEMPTS, known_sha256
from piyard.core.errors import DownloadFailed, WrongInput
from tests.support import file_server as play

BODY = bytes(range(256)) * 4096
SHA = hashlib.sha256(BODY).hexdigest()
PAUSE = 0.05


@pytest.fixture(autouse=True)
def small_world(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PIYARD_MIRROR", raising=False)
    monkeypatch.setattr(download, "CONNECT_S", 2.0)
    monkeypatch.setattr(download, "STALL_S", 0.4)
    monkeypatch.setattr(download, "BACK_OFF_S", PAUSE)


@pytest.fixture
def server():
    with play.serving(BODY) as server:
        yield server


def fetch(server, sha256=SHA, name="net.pth"):
    return download.fetch(server.url(), sha256=sha256, name=name)


def leftovers(tmp_path):
    files = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    return {path.name for path in files if ".locks" not in path.parts}


def test_a_file_is_fetched_once(server, tmp_path):
    path = fetch(server)
    assert path.read_bytes() == BODY
    assert path == tmp_path / "cache/piyard/downloads" / SHA / "net.pth"
    assert fetch(server) == path
    assert len(server.times) == 1


def test_the_start_of_a_sha256_is_enough(server):
    path = fetch(server, sha256=SHA[:8])
    assert path.parent.name == SHA
    assert fetch(server) == path
    assert known_sha256(SHA[:8]) == SHA
    assert len(server.times) == 1


def test_a_damaged_cache_is_fetched_anew(server):
    fetch(server).write_bytes(BODY[:-1])
    assert fetch(server).read_bytes() == BODY
    assert len(server.times) == 2


def test_a_cut_body_goes_on_where_it_ended(server):
    server.acts = [play.cut, play.rest]
    assert fetch(server).read_bytes() == BODY
    assert server.ranges == [None, f"bytes={len(BODY) // 2}-"]


def test_a_server_without_ranges_begins_anew(server):
    server.acts = [play.cut, play.whole]
    assert fetch(server).read_bytes() == BODY


def test_a_range_other_than_asked_is_not_appended(server):
    server.acts = [play.cut, play.elsewhere, play.whole]
    assert fetch(server).read_bytes() == BODY
    assert server.ranges[2] is None


def test_a_file_that_changed_between_two_tries_is_fetched_whole(server):
    server.acts = [play.cut, play.rest]
    server.body = BODY[::-1]
    first = threading.Event()

    def cut_then_change(handler):
        play.cut(handler)
        server.body = BODY
        first.set()

    server.acts = [cut_then_change, play.rest, play.whole]
    assert fetch(server).read_bytes() == BODY
    assert first.is_set()
    assert len(server.times) == 3


def test_an_interrupted_download_is_continued_by_the_next_call(server, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    server.acts = [play.cut, play.rest]
    with pytest.raises(DownloadFailed):
        fetch(server)
    assert fetch(server).read_bytes() == BODY
    assert server.ranges[1] == f"bytes={len(BODY) // 2}-"


def test_a_stalled_body_is_given_up_and_continued(server):
    server.acts = [play.stall, play.rest]
    assert fetch(server).read_bytes() == BODY


def test_500_then_ok(server):
    server.acts = [play.status(500), play.status(503)]
    assert fetch(server).read_bytes() == BODY
    assert len(server.times) == 3


def test_the_back_off_grows(server):
    server.acts = [play.status(500)] * 3
    fetch(server)
    waits = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    expected = [PAUSE, 2 * PAUSE, 4 * PAUSE]
    assert all(w <= wait < w + 0.5 for wait, w in zip(waits, expected, strict=True))
    assert waits == sorted(waits)


def test_tries_are_bounded(server, tmp_path):
    server.acts = [play.status(500)] * 99
    with pytest.raises(DownloadFailed, match="500"):
        fetch(server)
    assert len(server.times) == ATTEMPTS
    assert leftovers(tmp_path) == set()


def test_a_server_that_never_answers(server):
    server.acts = [play.silent] * 99
    with pytest.raises(DownloadFailed) as caught:
        fetch(server)
    assert len(server.times) == ATTEMPTS
    assert "no data from the server" in str(caught.value)


@pytest.mark.parametrize("code", [403, 404, 410])
def test_what_is_not_there_is_not_asked_for_again(server, code):
    server.acts = [play.status(code)]
    with pytest.raises(DownloadFailed, match=str(code)) as caught:
        fetch(server)
    assert len(server.times) == 1
    assert "PIYARD_MIRROR" in caught.value.remedy
    assert caught.value.code == 4


def test_wrong_bytes_are_refused_at_once_and_not_kept(server, tmp_path):
    server.acts = [play.other]
    with pytest.raises(DownloadFailed, match="not the file that was pinned") as caught:
        fetch(server)
    assert hashlib.sha256(b"<html>hello</html").hexdigest() in str(caught.value)
    assert SHA in str(caught.value)
    assert len(server.times) == 1
    assert leftovers(tmp_path) == set()


def test_nobody_listens():
    with play.serving(b"") as gone:
        pass
    with pytest.raises(DownloadFailed) as caught:
        fetch(gone)
    assert "PIYARD_MIRROR" in caught.value.remedy
    assert len(caught.value.what.splitlines()) == 1


def test_no_such_host():
    with pytest.raises(DownloadFailed, match=r"nowhere\.invalid"):
        download.fetch("http://nowhere.invalid/a", sha256=SHA, name="a")


@pytest.mark.parametrize("url", ["", "not an address", "ftp://example.org/a"])
def test_what_is_no_address(url):
    with pytest.raises(DownloadFailed):
        download.fetch(url, sha256=SHA, name="a")


def test_disk_full_is_said_before_a_byte_is_written(server, monkeypatch):
    full = os.statvfs_result((4096, 4096, 10, 0, 0, 10, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(DownloadFailed, match="no room") as caught:
        fetch(server)
    assert "XDG_CACHE_HOME" in caught.value.remedy
    assert len(server.times) == 1


def test_disk_full_in_the_middle(server, monkeypatch, tmp_path):
    """/dev/full takes nothing, as a full disk does."""
    parts = tmp_path / "cache/piyard/downloads/.part"
    parts.mkdir(parents=True)
    (parts / f"{SHA}-net.pth").symlink_to("/dev/full")
    with pytest.raises(DownloadFailed, match="no room"):
        fetch(server)


def test_many_at_once_download_once(server):
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: fetch(server), range(8)))
    assert [path.read_bytes() == BODY for path in paths] == [True]
    assert len(server.times) == 1


def test_an_address_is_only_asked_for_when_it_is_needed(server):
    request = []

    def url():
        request.append(1)
        return server.url()

    for _ in range(2):
        download.fetch(url, sha256=SHA, name="net.pth")
    assert request == [1]


@pytest.mark.parametrize("name", ["", "a/b", "../up"])
def test_a_name_stays_in_its_folder(server, name):
    with pytest.raises(ValueError, match="plain file name"):
        fetch(server, name=name)


@pytest.mark.parametrize("sha256", ["", "abc", SHA.upper(), SHA + "0", "../../../etc"])
def test_what_is_no_sha256(server, sha256):
    with pytest.raises(ValueError, match="sha256"):
        fetch(server, sha256=sha256)


# -- the mirror comes before the network ------------------------------------------------------


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "renamed.bin").write_bytes(BODY)
    monkeypatch.setenv("PIYARD_MIRROR", str(folder))
    return folder


@pytest.fixture(params=["listed", "unlisted"])
def mirror_either_way(request, mirror):
    if request.param == "listed":
        (mirror / "SHA256SUMS").write_text(f"{SHA}  deep/renamed.bin\n")
    return mirror


def test_mirror_hit_needs_no_network(server, mirror_either_way):
    assert fetch(server).read_bytes() == BODY
    assert fetch(server, sha256=SHA[:8]).read_bytes() == BODY
    assert known_sha256(SHA[:8]) == SHA
    assert server.times == []


def test_a_file_the_mirror_lacks_comes_from_the_network(server, mirror):
    (mirror / "deep" / "renamed.bin").write_bytes(b"another")
    assert fetch(server).read_bytes() == BODY
    assert len(server.times) == 1


def test_a_mirror_that_lies_is_not_believed(server, mirror, capsys):
    (mirror / "SHA256SUMS").write_text(f"{SHA}  deep/renamed.bin\n")
    (mirror / "deep" / "renamed.bin").write_bytes(BODY[:-1] + b"!")
    path = fetch(server)
    assert path.read_bytes() == BODY
    assert mirror not in path.parents
    assert "renamed.bin" in capsys.readouterr().err


def test_a_listed_file_that_is_missing(server, mirror):
    (mirror / "SHA256SUMS").write_text(f"{SHA}  gone.bin\n")
    (mirror / "deep" / "renamed.bin").unlink()
    assert fetch(server).read_bytes() == BODY


def test_a_file_that_sha256sums_does_not_list_is_found(server, mirror):
    (mirror / "SHA256SUMS").write_text(f"{'0' * 64}  other.bin\n")
    assert fetch(server).read_bytes() == BODY
    assert server.times == []


def test_an_unlisted_mirror_is_hashed_once(mirror, monkeypatch):
    from piyard.core.files import sha256_of_file

    hashed = []
    real = sha256_of_file

    def counted(path):
        hashed.append(path)
        return real(path)

    monkeypatch.setattr(mirrors, "sha256_of_file", counted)
    assert [known_sha256(SHA), known_sha256(SHA)] == [SHA, SHA]
    assert len(hashed) == 1
    (mirror / "deep" / "renamed.bin").write_bytes(b"changed")
    assert known_sha256(SHA) is None
    assert len(hashed) == 2


def test_a_changed_file_of_the_same_size_and_time_is_still_refused(server, mirror):
    """The index is a hint; the bytes are hashed before they are used."""
    file = mirror / "deep" / "renamed.bin"
    assert known_sha256(SHA) == SHA
    stamp = file.stat()
    file.write_bytes(BODY[::-1])
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert fetch(server).read_bytes() == BODY
    assert len(server.times) == 1


def test_a_mirror_that_is_no_folder(monkeypatch):
    monkeypatch.setenv("PIYARD_MIRROR", "/nowhere/at/all")
    with pytest.raises(WrongInput, match="/nowhere/at/all"):
        known_sha256(SHA)
