"""Check how catflap locates the policy file and notices its changes."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.samples import HEAD
from webhook.config.faults import BadPolicy
from webhook.config.parse import digest
from webhook.config.source import POLL_SECONDS, ConfigMapRef, PolicyFile, parse_location
from webhook.config.store import PolicyStore

GOOD, OTHER, BAD = HEAD, HEAD + "mode: warn\n", HEAD + "mode: loud\n"


@pytest.mark.parametrize(
    ("text", "location"),
    [
        pytest.param("configmap:guards/policy", ConfigMapRef("guards", "policy"), id="a ConfigMap"),
        pytest.param("policy.yaml", Path("policy.yaml"), id="a file"),
        pytest.param("/etc/catflap/policy.yaml", Path("/etc/catflap/policy.yaml"), id="a file by its whole path"),
        pytest.param("configmap", Path("configmap"), id="a file of that name"),
        pytest.param("./configmap:a", Path("configmap:a"), id="a file with a colon"),
    ],
)
def test_a_location_is_a_file_or_a_config_map(text: str, location: Path | ConfigMapRef) -> None:
    """The prefix distinguishes them."""
    assert parse_location(text) == location


@pytest.mark.parametrize("text", ["configmap:", "configmap:a", "configmap:/a", "configmap:a/", "configmap:a/b/c"])
def test_a_config_map_needs_both_parts(text: str) -> None:
    """The message shows the right form."""
    with pytest.raises(ValueError, match=r"write configmap:NAMESPACE/NAME$"):
        parse_location(text)


class Watched:
    """A file, its store, and the number of reported bad policies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused: list[BadPolicy] = []
        self.store = PolicyStore(on_refusal=self.refused.append)
        self.changes: list[str] = []
        self.store.on_change(lambda loaded: self.changes.append(loaded.digest))
        self.file = PolicyFile(path, self.store)

    @property
    def in_force(self) -> str | None:
        """Return the digest of the policy in force."""
        return self.store.current.digest if self.store.current else None


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """Return a good file after its first check."""
    found = Watched(tmp_path / "policy.yaml")
    found.path.write_text(GOOD, encoding="utf-8")
    found.file.look()
    return found


def replace(path: Path, text: str) -> None:
    """Replace a file by another one, as editors do."""
    new = path.with_name("new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def publish(volume: Path, name: str, text: str) -> None:
    """Write a version of a ConfigMap volume as the kubelet does: a new folder, and a link in place of the old one."""
    (volume / name).mkdir()
    (volume / name / "policy.yaml").write_text(text, encoding="utf-8")
    (volume / "..data_tmp").symlink_to(name)
    (volume / "..data_tmp").rename(volume / "..data")


def test_the_file_is_read_at_the_first_look(watched: Watched) -> None:
    """Its policy is then in force."""
    assert watched.in_force == digest(GOOD)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_text(OTHER, encoding="utf-8"), id="written to"),
        pytest.param(lambda path: replace(path, OTHER), id="replaced by another file"),
    ],
)
def test_a_changed_file_is_read_again(watched: Watched, change: Callable[[Path], object]) -> None:
    """This applies to every way of changing it."""
    change(watched.path)
    watched.file.look()
    assert watched.in_force == digest(OTHER)


def test_a_file_of_the_same_size_and_time_is_read_again(watched: Watched) -> None:
    """The inode differs, so tools that keep the time cannot hide a change."""
    stat = watched.path.stat()
    new = HEAD.replace("kind: GuardPolicy\n", "kind: GuardPolicy ")
    assert len(new) == len(GOOD)
    replace(watched.path, new)
    os.utime(watched.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    watched.file.look()
    assert watched.in_force == digest(new)


def test_a_config_map_volume_changes_by_its_link(tmp_path: Path) -> None:
    """The path does not change, and neither does the link at its end."""
    publish(tmp_path, "..2026_01_01", GOOD)
    (tmp_path / "policy.yaml").symlink_to("..data/policy.yaml")
    watched = Watched(tmp_path / "policy.yaml")
    watched.file.look()
    assert watched.in_force == digest(GOOD)
    publish(tmp_path, "..2026_01_02", OTHER)
    watched.file.look()
    assert watched.in_force == digest(OTHER)


def test_an_unchanged_file_is_not_offered_again(watched: Watched) -> None:
    """A check each second costs nothing."""
    for _ in range(3):
        watched.file.look()
    assert watched.changes == [digest(GOOD)]


def test_a_bad_file_leaves_the_good_policy_in_force(watched: Watched) -> None:
    """The store reports it once, not at each check."""
    watched.path.write_text(BAD, encoding="utf-8")
    watched.file.look()
    watched.file.look()
    assert watched.in_force == digest(GOOD)
    assert len(watched.refused) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.unlink(), id="it vanished"),
        pytest.param(lambda path: path.write_bytes(b"mode\xff"), id="it is not UTF-8"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), id="it is a folder"),
        pytest.param(lambda path: (path.unlink(), path.symlink_to("nowhere")), id="it is a link to nowhere"),
    ],
)
def test_a_file_that_cannot_be_read_leaves_the_good_policy_in_force(
    watched: Watched, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], object]
) -> None:
    """The log gets one line, and the next good file applies again."""
    spoil(watched.path)
    watched.file.look()
    watched.file.look()
    assert watched.in_force == digest(GOOD)
    (record,) = caplog.records
    assert "cannot be read, the last good policy stays" in record.getMessage()
    if watched.path.is_dir():
        watched.path.rmdir()
    replace(watched.path, OTHER)
    watched.file.look()
    assert watched.in_force == digest(OTHER)


def test_the_file_is_watched_until_it_is_told_to_stop(watched: Watched) -> None:
    """A change is in force within a second."""
    watched.file.start()
    replace(watched.path, OTHER)
    assert comes_true(lambda: watched.in_force == digest(OTHER))
    watched.file.stop()
    assert comes_true(lambda: all(thread.name != "policy-file" for thread in threading.enumerate()))


def comes_true(state: Callable[[], bool]) -> bool:
    """Return whether a condition holds within a few checks of the file."""
    deadline = time.monotonic() + 10 * POLL_SECONDS
    while not state() and time.monotonic() < deadline:
        time.sleep(0.01)
    return state()
