"""Manifests as the command line names them: files, folders, standard input."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from webhook.guard.foretelling import counted
from webhook.review.manifests import NotKubernetes
from webhook.syntax.composing import Place
from webhook.syntax.documents import BadManifest, Located, located, whole
from webhook.syntax.splitting import BadTextError, text_of

SUFFIXES: Final = {".yaml", ".yml", ".json"}
STDIN: Final = "-"
# A file of a folder without this word is another program's, whatever is wrong with it.
NEEDED: Final = "apiVersion"
EMPTY_INPUT: Final = "-: standard input has no manifest; if another command writes it (helm template … | catflap check -), see whether that command failed"

Object = TypeVar("Object")


class Inputs:
    """The files that a command line names, and what is found out while they are read.

    `complaints` say what cannot be read, `notes` what a user should know of what can; `passed_over` are the files of other programs in
    folders, and `unreadable` counts the objects among the complaints.
    """

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths
        self._documents = 0
        self.complaints: list[str] = []
        self.notes: list[str] = []
        self.passed_over: list[str] = []
        self.unreadable = 0

    def objects(self, read: Callable[[Any], Object]) -> Iterator[tuple[str, Located, Object]]:
        """Each object with its file and its place.

        `read` makes an object of its document, and may raise BadManifest.
        """
        for source, is_named in self._sources():
            before = self._documents, len(self.complaints)
            try:
                text = text_of(sys.stdin.buffer.read() if source == STDIN else Path(source).read_bytes())
                if is_named or NEEDED in text:
                    yield from self._read(source, text, read, is_named=is_named)
                else:
                    self.passed_over.append(source)
            except (BadTextError, OSError) as bad:
                self.complaints.append(f"{shown(source)}: {bad}")
            if source == STDIN and before == (self._documents, len(self.complaints)):
                self.complaints.append(EMPTY_INPUT)
        if self._paths and not (self._documents or self.complaints):
            others = f", {counted(len(self.passed_over), 'file')} of other programs" if self.passed_over else ""
            self.complaints.append(f"no manifest in {', '.join(map(shown, self._paths))}{others}")

    def _read(
        self, source: str, text: str, read: Callable[[Any], Object], *, is_named: bool
    ) -> Iterator[tuple[str, Located, Object]]:
        last, seen = None, False
        for found in located(text):
            seen = True
            if isinstance(found, BadManifest):
                self.complaints.append(at(source, found.place, str(found)))
                continue
            try:
                one = read(found.value)
            except NotKubernetes as bad:
                if is_named:
                    self.complaints += (at(source, place, message) for place, message in bad.each(found))
                else:
                    self.passed_over += [] if source in self.passed_over[-1:] else [source]
                continue
            except BadManifest as bad:
                self.complaints += (at(source, place, message) for place, message in bad.each(found))
                self.unreadable += 1
            else:
                yield shown(source), found, one
            if found.chunk is not last:
                self.notes += (at(source, place, repeated(key)) for key, place in found.repeated)
            last = found.chunk
            self._documents += 1
        if not seen and any(True for _ in whole(text)):
            self._documents += 1  # a List without items

    def _sources(self) -> Iterator[tuple[str, bool]]:
        """Each file, and whether it was named itself: in a folder, files of other programs are passed over."""
        for path in self._paths:
            if Path(path).is_dir():
                for found in sorted(Path(path).rglob("*")):
                    if found.suffix in SUFFIXES and found.is_file():
                        yield str(found), False
            elif path == STDIN or Path(path).exists():  # a pipe will do
                yield path, True
            else:
                self.complaints.append(f"{shown(path)}: no such file or folder")


def at(source: str, place: Place | None, message: str) -> str:
    """A message about a place in a file, as editors can jump to it: FILE:LINE:COLUMN."""
    return f"{shown(source)}:{place.line}:{place.column}: {message}" if place else f"{shown(source)}: {message}"


def repeated(key: str) -> str:
    """What to say of a key that stands more than once."""
    return f"the key {key!r} is here for the second time in one mapping; kubectl takes the last one"


def shown(source: str) -> str:
    """A path as text that can be printed, whatever bytes it is made of."""
    return os.fsencode(source).decode("utf-8", "replace")
