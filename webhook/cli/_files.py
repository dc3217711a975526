"""Manifests as the command line names them: files, folders, standard input."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from webhook.review.manifests import BadManifest, NotKubernetes, documents

SUFFIXES = {".yaml", ".yml", ".json"}
STDIN = "-"

Object = TypeVar("Object")


def read_all(
    paths: tuple[str, ...], read: Callable[[Any], Object], complaints: list[str]
) -> Iterator[tuple[str, Object]]:
    """Each object of each path, with the file that it stands in; what cannot be read is added to `complaints`.

    `read` makes an object of its document, and may raise BadManifest.
    """
    for source, strict in sources(paths, complaints):
        try:
            text = sys.stdin.buffer.read() if source == STDIN else Path(source).read_bytes()
            for document in documents(text.decode("utf-8-sig")):
                try:
                    yield shown(source), read(document)
                except NotKubernetes as bad:
                    if strict:
                        complaints.append(f"{source}: {bad}")
                except BadManifest as bad:
                    complaints.append(f"{source}: {bad}")
        except (BadManifest, OSError, UnicodeDecodeError) as bad:
            complaints.append(f"{source}: {bad}")


def sources(paths: tuple[str, ...], complaints: list[str]) -> Iterator[tuple[str, bool]]:
    """Each file, and whether it was named itself: in a folder, files of other programs are passed over."""
    for path in paths:
        if Path(path).is_dir():
            for found in sorted(Path(path).rglob("*")):
                if found.suffix in SUFFIXES and found.is_file():
                    yield str(found), False
        elif path == STDIN or Path(path).exists():  # a pipe will do
            yield path, True
        else:
            complaints.append(f"{path}: no such file or folder")


def shown(source: str) -> str:
    """A path as text that can be printed, whatever bytes it is made of."""
    return os.fsencode(source).decode("utf-8", "replace")
