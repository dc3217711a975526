"""Find the manifest files in a folder and its subfolders, and what is unreadable in them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from webhook.files import MANIFEST_FILES, reason, sentence, shown

SUFFIXES: Final = (".yaml", ".yml", ".json")
# One command reads at most as many objects (webhook.syntax.documents), and each may have its own file.
MOST_FILES: Final = 100_000
ONE_FILE: Final = "a file of manifests"


class SkippedPath(NamedTuple):
    """A path that is not read; the message names it and says why."""

    why: str


def find_files(path: str) -> Iterator[str | SkippedPath]:
    """Yield a path itself if it is no folder, else each file in it that may have a manifest, in order."""
    try:
        kind = os.stat(path).st_mode  # noqa: PTH116 (a path of pathlib loses a slash at its end)
    except OSError as bad:
        yield SkippedPath(sentence(shown(path), reason(bad), MANIFEST_FILES))
        return
    if not stat.S_ISDIR(kind):
        yield path
        return
    unread: list[SkippedPath] = []
    found = sorted(limit(walk(path, unread)), key=lambda file: Path(file).parts)
    yield from unread
    if len(found) > MOST_FILES:
        yield SkippedPath(
            f"{shown(path)}: more than {MOST_FILES:,} files of manifests, which is the limit of one folder; pass "
            "its subfolders"
        )
        return
    yield from (check_entry(file) for file in found)


def limit(files: Iterator[str]) -> Iterator[str]:
    """Yield at most as many files as the limit for a folder, and one more if there are more."""
    yield from (file for file, _ in zip(files, range(MOST_FILES + 1), strict=False))


def walk(path: str, unread: list[SkippedPath]) -> Iterator[str]:
    """Yield each file of a folder by its name; add an unreadable subfolder to `unread`."""

    def failed(bad: OSError) -> None:
        unread.append(SkippedPath(sentence(shown(bad.filename or path), reason(bad), "a folder of manifests")))

    for folder, _, names in os.walk(path, onerror=failed):
        yield from (os.path.join(folder, name) for name in names if name.endswith(SUFFIXES))  # noqa: PTH118 (bytes that are no text)


def check_entry(file: str) -> str | SkippedPath:
    """Return a file of a folder; return what is no file as unread, as a pipe could block the command."""
    try:
        kind = os.stat(file).st_mode  # noqa: PTH116 (as above)
    except OSError as bad:
        return SkippedPath(sentence(shown(file), reason(bad), ONE_FILE))
    return file if stat.S_ISREG(kind) else SkippedPath(sentence(shown(file), "this is not a regular file", ONE_FILE))
