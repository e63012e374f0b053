"""Downloads are whole or absent: they go on where they broke, and what is not the published file is refused."""

import hashlib
import threading

import pytest

from aemm.formats import downloads
from aemm.formats.checkpoint import CheckpointError
from aemm.formats.downloads import cache_folder, fetch
from tests.end_to_end import free_port
from tests.local_server import serving

CONTENT = bytes(range(256)) * 400
HASH = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving({"/net.pth": CONTENT}) as served:
        yield served


def ranges(server):
    return [wanted for _, wanted in server.asked]


def test_a_file_is_fetched_once_and_its_folder_made(server, tmp_path):
    target, told = tmp_path / "a/b/net.pth", []
    for _ in range(2):
        assert fetch(f"{server.address}/net.pth", target, HASH, lambda *size: told.append(size)) == target
    assert target.read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in target.parent.iterdir()] == ["net.pth"]


@pytest.mark.parametrize("tags", [True, False])
def test_a_connection_that_breaks_goes_on_behind_what_is_there(server, tmp_path, tags):
    server.cut, server.tags = [1000, 500], tags
    fetch(f"{server.address}/net.pth", tmp_path / "net.pth", HASH)
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=1000-", "bytes=1500-"]


def test_a_download_that_was_given_up_is_resumed_by_the_next_call(server, tmp_path):
    server.cut, target = [700] * 3, tmp_path / "net.pth"
    with pytest.raises(CheckpointError, match=r"ended after 2100 of 102400 bytes\). 2100 bytes are kept"):
        fetch(f"{server.address}/net.pth", target, HASH)
    assert not target.exists()
    fetch(f"{server.address}/net.pth", target, HASH)
    assert target.read_bytes() == CONTENT
    assert ranges(server)[-1] == "bytes=2100-"
    assert [path.name for path in tmp_path.iterdir()] == ["net.pth"]


def test_an_interruption_by_the_user_keeps_what_is_there(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "_CHUNK", 10_000)

    def stop(done, total):
        if done >= 30_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(f"{server.address}/net.pth", tmp_path / "net.pth", HASH, stop)
    fetch(f"{server.address}/net.pth", tmp_path / "net.pth", HASH)
    assert ranges(server) == [None, "bytes=30000-"]
    assert (tmp_path / "net.pth").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_or_a_server_without_parts_begins_anew(server, tmp_path):
    server.cut = [1000] * 3
    with pytest.raises(CheckpointError):
        fetch(f"{server.address}/net.pth", tmp_path / "net.pth")
    server.files["/net.pth"] = CONTENT[::-1]
    assert fetch(f"{server.address}/net.pth", tmp_path / "net.pth").read_bytes() == CONTENT[::-1]
    server.cut, server.ranges = [1000], False
    assert fetch(f"{server.address}/net.pth", tmp_path / "other.pth").read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("left", [CONTENT, CONTENT + b"more"], ids=["whole", "longer"])
def test_a_part_that_is_whole_is_taken_and_one_that_is_longer_is_not(server, tmp_path, left):
    (tmp_path / "net.pth.part").write_bytes(left)
    assert fetch(f"{server.address}/net.pth", tmp_path / "net.pth", HASH).read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_nothing_is_kept(server, tmp_path):
    with pytest.raises(CheckpointError, match=rf"SHA-256 begins with {HASH}, expected 00000000; it was deleted"):
        fetch(f"{server.address}/net.pth", tmp_path / "net.pth", "00000000")
    assert not list(tmp_path.iterdir())
    (tmp_path / "net.pth").write_bytes(b"put here by hand")
    with pytest.raises(CheckpointError, match=f"expected {HASH}; delete it"):
        fetch(f"{server.address}/net.pth", tmp_path / "net.pth", HASH)


def test_what_is_there_needs_no_network_and_what_is_not_says_where_to_put_it(tmp_path):
    address, target = f"http://127.0.0.1:{free_port()}/net.pth", tmp_path / "net.pth"
    with pytest.raises(CheckpointError, match=rf"cannot be downloaded \(.*refused.*\)\..* put it at {target}"):
        fetch(address, target, HASH)
    target.write_bytes(CONTENT)
    assert fetch(address, target, HASH) == target


def test_an_absent_file_is_told_at_once_and_a_server_that_is_busy_is_asked_again(server, tmp_path):
    with pytest.raises(CheckpointError, match="the server answers 404"):
        fetch(f"{server.address}/other.pth", tmp_path / "net.pth")
    assert len(server.asked) == 1
    assert not list(tmp_path.iterdir())
    server.status = [503]
    assert fetch(f"{server.address}/net.pth", tmp_path / "net.pth", HASH).read_bytes() == CONTENT


def test_a_web_page_is_no_file(server, tmp_path):
    server.kind = "text/html; charset=utf-8"
    with pytest.raises(CheckpointError, match="sends a web page, such as one to log in, and no file"):
        fetch(f"{server.address}/net.pth", tmp_path / "net.pth")
    assert len(server.asked) == 1
    assert not list(tmp_path.iterdir())


def test_an_address_may_hold_any_letters(server, tmp_path):
    server.files["/gr%C3%B6%C3%9Fe%20a.pth"] = CONTENT
    assert fetch(f"{server.address}/größe a.pth", tmp_path / "net.pth", HASH).read_bytes() == CONTENT
    with pytest.raises(CheckpointError, match="cannot be downloaded"):
        fetch("http://größe.invalid/net.pth", tmp_path / "other.pth")


def test_what_is_there_is_taken_from_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "net.pth").write_bytes(CONTENT)
    monkeypatch.setattr(downloads, "_fetch_alone", None)  # nothing is opened to write
    assert fetch("http://nowhere.invalid/net.pth", tmp_path / "net.pth", HASH).read_bytes() == CONTENT


def test_whoever_waited_for_a_download_that_was_refused_asks_anew(server, tmp_path, monkeypatch):
    waiting, target = threading.Event(), tmp_path / "net.pth"
    wait = downloads.alone

    def told(file):
        waiting.set()
        return wait(file)

    found, threads = [], []
    with (tmp_path / "net.pth.part").open("ab") as other, wait(other):
        monkeypatch.setattr(downloads, "alone", told)
        threads.append(threading.Thread(target=lambda: found.append(fetch(f"{server.address}/net.pth", target, HASH))))
        threads[0].start()
        assert waiting.wait(10)
        (tmp_path / "net.pth.part").unlink()  # as a process does that finds another hash
    threads[0].join()
    assert found == [target]
    assert [path.name for path in tmp_path.iterdir()] == ["net.pth"]


def test_the_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.address)
    fetch("http://nowhere.invalid/net.pth", tmp_path / "net.pth", HASH)
    assert server.asked == [("http://nowhere.invalid/net.pth", None)]
    monkeypatch.setenv("no_proxy", "nowhere.invalid")
    with pytest.raises(CheckpointError, match="cannot be downloaded"):
        fetch("http://nowhere.invalid/net.pth", tmp_path / "other.pth", HASH)


def test_only_addresses_are_fetched(tmp_path):
    with pytest.raises(CheckpointError, match="expected http:// or https://"):
        fetch("file:///etc/passwd", tmp_path / "net.pth")


def test_two_at_once_fetch_one_file_once(server, tmp_path):
    target, done = tmp_path / "net.pth", []
    threads = [
        threading.Thread(target=lambda: done.append(fetch(f"{server.address}/net.pth", target, HASH))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 4
    assert len(server.asked) == 1
    assert target.read_bytes() == CONTENT


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("AEMM_HOME", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("AEMM_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert str(cache_folder()) == "/cache/aemm"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])  # no user has this number
    with pytest.raises(OSError, match="no home folder to keep downloads in; set AEMM_HOME"):
        cache_folder()
