"""cnn.data on a small repository of its own, with copies of the real archives."""

import contextlib
import errno
import gzip
import http.server
import multiprocessing
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import torch
from nbval.plugin import get_sanitize_patterns

from cnn import data
from cnn.data import DataError, as_tensors, batches, find_mnist, split_train_validation

REPOSITORY = Path(__file__).parents[1]
ARCHIVES = REPOSITORY / "data" / "MNIST" / "raw"
TRAIN_LABELS = next(file for file in data.RAW_FILES if file.name.startswith("train-labels"))
NOBODY = 65534


@pytest.fixture
def tmp_path():
    """A folder that other users can reach; pytest's own is private. Removed at once: 70 MB each."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A checkout with the four archives and nothing extracted; the cache is empty."""
    monkeypatch.setattr(data, "REPOSITORY", tmp_path / "repository")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CNN_DATA", raising=False)
    copy_archives(tmp_path / "repository" / "data")
    return tmp_path / "repository"


@pytest.fixture
def raw(repository):
    return repository / "data" / "MNIST" / "raw"


def copy_archives(root):
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in data.RAW_FILES:
        shutil.copy(ARCHIVES / file.archive_name, raw)
    return raw


def extract(raw):
    for file in data.RAW_FILES:
        (raw / file.name).write_bytes(gzip.decompress((raw / file.archive_name).read_bytes()))


def intact(raw):
    return all((raw / file.name).stat().st_size == file.size for file in data.RAW_FILES)


def without_network(monkeypatch):
    monkeypatch.setattr(data.MNIST, "mirrors", ["http://127.0.0.1:9/"])


def as_an_ordinary_user(function, *folders):
    """Run the function in a child process that may not write to the folders; returns its words.

    Root may write anywhere, so a root process becomes `nobody` first.
    """
    for folder in folders:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(
        target=_answer, args=(function, sender), daemon=True
    )
    child.start()
    child.join(60)
    assert receiver.poll(), "the child process died"
    kind, words = receiver.recv()
    for folder in folders:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    if kind == "error":
        raise DataError(words)
    return words


def _answer(function, sender):
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        sender.send(("answer", function()))
    except DataError as error:
        sender.send(("error", str(error)))


def open_to_all(path):
    """A folder in which every user may write."""
    path.mkdir()
    path.chmod(0o777)
    return path


# --- which place serves ---------------------------------------------------------------------------


def test_first_use_extracts_beside_the_archives(repository, raw, capsys):
    mnist = data.load_mnist()
    assert mnist.data.shape == (60_000, 28, 28)
    assert mnist.data.dtype == torch.uint8
    assert intact(raw)
    assert (raw / TRAIN_LABELS.name).stat().st_mode & 0o444 == 0o444, "others may read it too"
    assert sorted(p.name for p in raw.iterdir()) == sorted(
        name for file in data.RAW_FILES for name in (file.name, file.archive_name)
    )
    assert "60,000 images, from the repository (data/)" in capsys.readouterr().out
    assert len(data.load_mnist(train=False)) == 10_000
    assert "MNIST test part: 10,000 images" in capsys.readouterr().out


def test_read_only_checkout_uses_the_cache(repository, raw, tmp_path):
    cache = open_to_all(tmp_path / "cache")
    root, place = as_an_ordinary_user(find_mnist, repository)
    assert root == cache / "cnn-course"
    assert "repository" in place
    assert str(cache) in place
    assert intact(root / "MNIST" / "raw")
    assert not (raw / TRAIN_LABELS.name).exists()


def test_nothing_can_be_written(repository, tmp_path):
    open_to_all(tmp_path / "cache")
    with pytest.raises(DataError, match="XDG_CACHE_HOME"):
        as_an_ordinary_user(find_mnist, repository, tmp_path / "cache")


def test_cnn_data_with_archives_in_a_read_only_folder(repository, tmp_path, monkeypatch):
    shared, cache = tmp_path / "shared", open_to_all(tmp_path / "cache")
    copy_archives(shared)
    monkeypatch.setenv("CNN_DATA", str(shared))
    root, place = as_an_ordinary_user(find_mnist, shared)
    assert root == cache / "cnn-course"
    assert place.startswith("$CNN_DATA")


def test_cnn_data_with_extracted_files_only(repository, tmp_path, monkeypatch):
    open_to_all(tmp_path / "cache")
    shared = tmp_path / "shared"
    raw = copy_archives(shared)
    extract(raw)
    for file in data.RAW_FILES:
        (raw / file.archive_name).unlink()
    monkeypatch.setenv("CNN_DATA", str(shared))
    assert as_an_ordinary_user(find_mnist, shared) == (shared, "$CNN_DATA")


def test_cnn_data_without_mnist_says_so_and_goes_on(repository, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CNN_DATA", str(tmp_path / "nowhere"))
    root, place = find_mnist()
    assert root == repository / "data"
    assert place == "the repository (data/)"
    said = capsys.readouterr().out
    assert f"{tmp_path / 'nowhere'} is no folder that can be read" in said
    assert said.endswith("Looking elsewhere.\n")
    assert said.count("\n") == 1


def test_cnn_data_that_may_not_be_read(repository, tmp_path, monkeypatch):
    open_to_all(tmp_path / "cache")
    private = tmp_path / "private"
    copy_archives(private)
    private.chmod(0o000)
    monkeypatch.setenv("CNN_DATA", str(private))
    assert "repository" in as_an_ordinary_user(find_mnist, repository)[1]


def test_the_cache_serves_when_the_repository_has_nothing(repository, raw, tmp_path):
    extract(copy_archives(tmp_path / "cache" / "cnn-course"))
    assert find_mnist()[1] == "the repository (data/)", "while it has, it comes first"
    shutil.rmtree(raw)
    root, place = find_mnist()
    assert root == tmp_path / "cache" / "cnn-course"
    assert "cache" in place


# --- damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_damaged_extracted_file_is_repaired(repository, raw, damage):
    extract(raw)
    content = (raw / TRAIN_LABELS.name).read_bytes()
    flipped = content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]
    (raw / TRAIN_LABELS.name).write_bytes(content[:1000] if damage == "truncated" else flipped)
    mnist = data.load_mnist()
    assert (raw / TRAIN_LABELS.name).read_bytes() == content
    assert mnist.targets[:5].tolist() == [5, 0, 4, 1, 9]


def test_altered_archive_is_named_with_the_expected_md5(repository, raw):
    archive = raw / TRAIN_LABELS.archive_name
    archive.write_bytes(archive.read_bytes()[:-1] + b"!")
    with pytest.raises(DataError) as caught:
        data.load_mnist()
    assert str(archive) in str(caught.value)
    assert "cannot be extracted" in str(caught.value)
    assert "git checkout -- data/MNIST/raw" in str(caught.value)
    assert not any((raw / file.name).exists() for file in data.RAW_FILES)


def recompress(path, content):
    with gzip.open(path, "wb", compresslevel=1) as archive:
        archive.write(content)


def test_an_archive_with_another_file_is_named_with_the_expected_md5(repository, raw):
    archive = raw / TRAIN_LABELS.archive_name
    recompress(archive, bytes(TRAIN_LABELS.size))
    with pytest.raises(DataError, match="d53e105ee54ea40749a09fcbcd1e9432"):
        data.load_mnist()


def test_an_archive_that_unpacks_without_end(repository, raw):
    """A content that is longer than the published one is not read to its end."""
    archive = raw / TRAIN_LABELS.archive_name
    recompress(archive, bytes(50 * TRAIN_LABELS.size))
    with pytest.raises(DataError, match="holds another file"):
        data.load_mnist()


def test_a_recompressed_archive_is_as_good(repository, raw):
    """As a file system, a mirror or a colleague may leave it: the content counts."""
    archive = raw / TRAIN_LABELS.archive_name
    recompress(archive, gzip.decompress(archive.read_bytes()))
    assert data.load_mnist().targets[:5].tolist() == [5, 0, 4, 1, 9]


def damage(archive):
    archive.write_bytes(archive.read_bytes()[:1000])


def test_a_damaged_archive_of_cnn_data(repository, tmp_path, monkeypatch):
    """The advice is about that folder: git has nothing to do with it."""
    raw = copy_archives(tmp_path / "shared")
    damage(raw / TRAIN_LABELS.archive_name)
    monkeypatch.setenv("CNN_DATA", str(tmp_path / "shared"))
    with pytest.raises(DataError) as caught:
        data.load_mnist()
    assert str(raw / TRAIN_LABELS.archive_name) in str(caught.value)
    assert "another folder than $CNN_DATA" in str(caught.value)
    assert "git" not in str(caught.value)


def test_a_damaged_archive_of_the_cache(repository, raw, tmp_path):
    shutil.rmtree(raw)
    damage(copy_archives(tmp_path / "cache" / "cnn-course") / TRAIN_LABELS.archive_name)
    with pytest.raises(DataError, match="Delete it"):
        data.load_mnist()


# --- what is missing, and where -------------------------------------------------------------------


def test_one_missing_file_is_named(repository, tmp_path, monkeypatch, capsys):
    raw = copy_archives(tmp_path / "shared")
    (raw / TRAIN_LABELS.archive_name).unlink()
    monkeypatch.setenv("CNN_DATA", str(tmp_path / "shared"))
    assert find_mnist()[1] == "the repository (data/)"
    said = capsys.readouterr().out
    assert f"{raw} has no readable {TRAIN_LABELS.name} (nor .gz of it)" in said
    assert "images-idx3" not in said


def test_one_file_as_archive_and_three_extracted(repository, raw, tmp_path):
    """Each file counts for itself; also where only the cache can be written."""
    extract(raw)
    for file in data.RAW_FILES:
        ((raw / file.name) if file == TRAIN_LABELS else (raw / file.archive_name)).unlink()
    cache = open_to_all(tmp_path / "cache")
    root, _ = as_an_ordinary_user(find_mnist, repository)
    assert root == cache / "cnn-course"
    assert intact(root / "MNIST" / "raw")
    assert find_mnist()[0] == repository / "data"
    assert intact(raw)


@pytest.mark.parametrize("name", ["nowhere", "empty", "file"])
def test_a_folder_that_is_asked_for_is_never_replaced(repository, tmp_path, monkeypatch, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CNN_DATA", str(repository / "data"))
    with pytest.raises(DataError) as caught:
        data.load_mnist(root=tmp_path / name)
    assert f"MNIST is not in {tmp_path / name}" in str(caught.value)
    assert "CNN_DATA" not in str(caught.value)


def test_a_folder_that_is_asked_for_serves(repository, tmp_path, capsys):
    copy_archives(tmp_path / "mine")
    assert len(data.load_mnist(root=tmp_path / "mine")) == 60_000
    assert f"from {tmp_path / 'mine'}" in capsys.readouterr().out


def without_home(monkeypatch):
    """As in a container whose user has no entry in the list of users."""

    def unknown(*_):
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)


def test_without_a_home_the_repository_serves(repository, monkeypatch):
    without_home(monkeypatch)
    monkeypatch.setenv("CNN_DATA", "~/data")
    assert find_mnist()[1] == "the repository (data/)"


def test_without_a_home_the_cache_is_a_temporary_folder(monkeypatch, tmp_path):
    without_home(monkeypatch)
    monkeypatch.setattr(data.tempfile, "gettempdir", lambda: str(tmp_path))
    assert data.cache_folder() == tmp_path / "cnn-course"


# --- a full disk ----------------------------------------------------------------------------------


def full_after(n_files, monkeypatch):
    """From the file after the first n on, writing ends in 'No space left on device'."""
    calls, copy = [], shutil.copyfileobj

    def copy_until_full(source, target):
        calls.append(target)
        if len(calls) <= n_files:
            return copy(source, target)
        target.write(source.read(1000))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(data.shutil, "copyfileobj", copy_until_full)


def test_full_disk_everywhere(repository, raw, tmp_path, monkeypatch):
    full_after(0, monkeypatch)
    with pytest.raises(DataError, match=r"No space left on device(.|\n)*55 MB") as caught:
        data.load_mnist()
    assert str(raw) in str(caught.value)
    assert str(tmp_path / "cache") in str(caught.value)
    assert sorted(p.name for p in raw.iterdir()) == sorted(f.archive_name for f in data.RAW_FILES)
    assert list((tmp_path / "cache" / "cnn-course" / "MNIST" / "raw").iterdir()) == []


def test_full_disk_of_the_repository_uses_the_cache(tiny_disk, tmp_path, monkeypatch, capsys):
    """A file system of 16 MB holds the archives (12 MB), but not what is in them."""
    monkeypatch.setattr(data, "REPOSITORY", tiny_disk)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CNN_DATA", raising=False)
    raw = copy_archives(tiny_disk / "data")
    root, place = find_mnist()
    assert root == tmp_path / "cache" / "cnn-course"
    assert intact(root / "MNIST" / "raw")
    assert str(root) in place
    assert "No space left on device" in capsys.readouterr().out
    files = {p.name for p in raw.iterdir()}
    names = {name for file in data.RAW_FILES for name in (file.name, file.archive_name)}
    assert files <= names, "no temporary file is left"


@pytest.fixture
def tiny_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if os.getuid() != 0 or not shutil.which("mount") or subprocess.run(mount).returncode:
        pytest.skip("a file system of its own needs the right to mount")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


# --- many processes, no network, mirrors ---------------------------------------------------------


EIGHT_PROCESSES = """
import os, sys
from pathlib import Path
from cnn import data

data.REPOSITORY = Path(sys.argv[1])
start, hold = os.pipe()
children = []
for _ in range(8):
    child = os.fork()
    if child == 0:
        os.close(hold)
        os.read(start, 1)  # returns in all of them at once, when the parent lets go
        assert data.load_mnist().targets[:5].tolist() == [5, 0, 4, 1, 9]
        assert data.load_mnist(train=False).targets[:5].tolist() == [7, 2, 1, 0, 4]
        os._exit(0)
    children.append(child)
os.close(hold)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_eight_processes_at_once(repository, raw):
    """In a fresh interpreter: children forked from this one, which has used torch, can block."""
    done = subprocess.run(
        [sys.executable, "-c", EIGHT_PROCESSES, str(repository)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "notebooks")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.splitlines()[-1:] == [str([0] * 8)], done.stderr
    assert intact(raw)
    assert len(list(raw.iterdir())) == 8, "no temporary file is left"


def test_no_network_and_no_data(repository, raw, monkeypatch):
    shutil.rmtree(raw)
    without_network(monkeypatch)
    with pytest.raises(DataError) as caught:
        data.load_mnist()
    message = str(caught.value)
    assert str(raw) in message
    assert str(data.cache_folder()) in message
    assert "set CNN_DATA" in message
    assert "could not be downloaded" in message
    assert list(data.cache_folder().iterdir()) == [], "no temporary folder is left"


def test_no_network_lists_cnn_data_too(repository, raw, tmp_path, monkeypatch):
    shutil.rmtree(raw)
    without_network(monkeypatch)
    monkeypatch.setenv("CNN_DATA", str(tmp_path / "shared"))
    with pytest.raises(DataError, match=f"{tmp_path}/shared/MNIST/raw"):
        data.load_mnist()


def test_mirror_that_never_answers(repository, raw, monkeypatch):
    class Silence(socketserver.BaseRequestHandler):
        def handle(self):
            time.sleep(2)

    shutil.rmtree(raw)
    monkeypatch.setattr(data, "TIMEOUT", 0.1)
    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silence)) as address:
        monkeypatch.setattr(data.MNIST, "mirrors", [address])
        with pytest.raises(DataError, match="timed out"):
            data.load_mnist()
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize(
    "answer",
    [b"no HTTP\n", b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n?"],
    ids=["another protocol", "too short"],
)
def test_mirror_that_answers_nonsense(repository, raw, monkeypatch, answer):
    """As the log-in page of a network may do; the archive's md5 shows it."""

    class Nonsense(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1000)
            self.request.sendall(answer)

    shutil.rmtree(raw)
    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Nonsense)) as address:
        monkeypatch.setattr(data.MNIST, "mirrors", [address])
        with pytest.raises(DataError, match="could not be downloaded"):
            data.load_mnist()


def test_no_network_is_needed_with_the_repository(repository, monkeypatch):
    without_network(monkeypatch)
    assert len(data.load_mnist()) == 60_000


@contextlib.contextmanager
def serving(server):
    """Run a server in a thread; gives its address."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


class Archives(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments):
        super().__init__(*arguments, directory=ARCHIVES)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror(monkeypatch):
    """A real web server that has the four archives."""
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Archives)) as address:
        monkeypatch.setattr(data.MNIST, "mirrors", [address])
        yield


def test_download_from_a_mirror(repository, raw, tmp_path, mirror):
    shutil.rmtree(raw)
    root, place = find_mnist()
    assert root == tmp_path / "cache" / "cnn-course"
    assert "mirrors" in place
    assert intact(root / "MNIST" / "raw")
    assert [p.name for p in root.iterdir()] == ["MNIST"], "no temporary folder is left"
    assert "cache" in find_mnist()[1], "the second time nothing is downloaded"


def sanitized(text):
    """The text as nbval compares it."""
    rules = get_sanitize_patterns((REPOSITORY / "tests" / "sanitize.cfg").read_text())
    for regex, replacement in rules:
        text = re.sub(regex, replacement, text)
    return text


def test_nbval_accepts_every_place(repository, raw, tmp_path, monkeypatch, capsys, mirror):
    data.load_mnist()
    texts = [capsys.readouterr().out]
    monkeypatch.setenv("CNN_DATA", str(tmp_path / "nowhere"))
    raw.chmod(0o777)
    for file in data.RAW_FILES:
        (raw / file.name).unlink()
    open_to_all(tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(data.tempfile, "mkstemp", _not_beside_the_archives)
        data.load_mnist()
    texts.append(capsys.readouterr().out)
    shutil.rmtree(raw)
    shutil.rmtree(tmp_path / "cache" / "cnn-course")
    data.load_mnist()
    texts.append(capsys.readouterr().out)
    assert [len(text.splitlines()) for text in texts] == [1, 3, 3], texts
    expected = "MNIST training part: 60,000 images, from PLACE\n"
    assert [sanitized(text) for text in texts] == [expected] * 3
    assert sanitized("MNIST training part: 600 images, from here\n") != expected


def _not_beside_the_archives(dir, prefix, create=tempfile.mkstemp):
    if "repository" in str(dir):
        raise PermissionError(errno.EACCES, "Permission denied")
    return create(dir=dir, prefix=prefix)


# --- split, tensors, batches ---------------------------------------------------------------------


def test_split(repository):
    mnist = data.load_mnist()
    train, val = split_train_validation(mnist)
    assert (len(train), len(val)) == (48_000, 12_000)
    assert sorted(train.indices + val.indices) == list(range(60_000))
    assert split_train_validation(mnist)[0].indices == train.indices
    assert split_train_validation(mnist, seed=56)[0].indices != train.indices
    assert train.indices[:5] == [57037, 50390, 9489, 14276, 21369]
    assert val.indices[:5] == [48669, 44825, 54543, 57869, 48407]


def test_as_tensors(repository):
    mnist = data.load_mnist()
    X, y = as_tensors(mnist, [7, 3])
    assert X.shape == (2, 1, 28, 28)
    assert X.dtype == torch.float32
    assert torch.equal(X[0, 0], mnist.data[7].float() / 255)
    assert X.max() == 1
    assert y.tolist() == [3, 1]
    assert as_tensors(mnist)[0].shape == (60_000, 1, 28, 28)


def test_batches_in_order():
    X, y = torch.arange(10.0).view(10, 1), torch.arange(10)
    parts = list(batches(X, y, batch_size=4))
    assert [part[1].tolist() for part in parts] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert all(torch.equal(part_X[:, 0].long(), part_y) for part_X, part_y in parts)


def test_shuffled_batches_use_each_sample_once_in_a_new_order():
    X, y = torch.arange(100.0).view(100, 1), torch.arange(100)
    torch.manual_seed(0)
    first, second = (
        [i for _, part in batches(X, y, 7, shuffle=True) for i in part.tolist()] for _ in range(2)
    )
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second
    assert first != list(range(100))
