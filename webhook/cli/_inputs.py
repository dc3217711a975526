"""Read manifests as the command line names them: files, folders, standard input."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from webhook.cli._manifest_files import SUFFIXES, SkippedPath, find_files
from webhook.files import STDIN, Form, UnreadableFileError, read_file, read_stdin, shown
from webhook.model.counting import counted
from webhook.model.encoding import undecodable
from webhook.model.file_types import file_type
from webhook.review.manifests import NotKubernetesError
from webhook.syntax.document_splitter import BadTextError, decode_text
from webhook.syntax.documents import (
    MOST_OBJECTS,
    BadManifestError,
    LocatedObject,
    dotted_path,
    located_objects,
    read_documents,
)
from webhook.syntax.yaml_composer import YamlPosition

# Twenty objects as large as etcd stores them (1.5 MiB, its --max-request-bytes), or 3,000 Pods of 10 KiB as kubectl get
# -o json prints them. The values of as much JSON take 500 MiB of memory.
MANIFESTS: Final = Form("manifests", 32 << 20)
# A file of a folder without this word is another program's, whatever its faults.
REQUIRED_KEY: Final = "apiVersion"
EMPTY_INPUT: Final = (
    "-: standard input contains no manifest; if another command writes it (helm template … | "
    "catflap check -), check whether that command failed"
)

Object = TypeVar("Object")


class Inputs:
    """The files that a command line names, and what their reading shows.

    `complaints` say what cannot be read. `notes` say what a user should know about the rest. `passed_over` are the
    files of other programs in folders. `unreadable` counts the objects among the complaints.
    """

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths
        self._documents = 0
        self._is_full = False
        self._files = 0
        self.complaints: list[str] = []
        self.notes: list[str] = []
        self.passed_over: list[str] = []
        self.unreadable = 0

    def objects(self, read: Callable[[Any], Object]) -> Iterator[tuple[str, LocatedObject, Object]]:
        """Yield each object with its file and its place.

        `read` converts a document to an object, and may raise BadManifestError.
        """
        for source, is_named in self._sources():
            self._files += 1
            before = self._documents, len(self.complaints)
            try:
                content = read_stdin(MANIFESTS) if source == STDIN else read_file(source, MANIFESTS)
                if fault := file_type(content) if is_named else "":
                    self.complaints.append(f"{shown(source)}: {fault}")
                elif REQUIRED_KEY in (text := decode_text(content)) or is_named:
                    self.notes += (
                        with_location(source, YamlPosition(*place), message) for message, place in undecodable(content)
                    )
                    yield from self._read(source, text, read, is_named=is_named)
                else:
                    self.passed_over.append(source)
            except UnreadableFileError as bad:
                self.complaints.append(str(bad))
            except BadTextError as bad:
                self.complaints.append(f"{shown(source)}: {bad}")
            if source == STDIN and before == (self._documents, len(self.complaints)):
                self.complaints.append(EMPTY_INPUT)
            if self._is_full:
                return
        if self._paths and not (self._documents or self.complaints):
            others = f", {counted(len(self.passed_over), 'file')} of other programs" if self.passed_over else ""
            if not self._files:
                others = f"; in folders, files that end with {', '.join(SUFFIXES)} are read"
            self.complaints.append(f"no manifest in {', '.join(map(shown, self._paths))}{others}")

    def _read(
        self, source: str, text: str, read: Callable[[Any], Object], *, is_named: bool
    ) -> Iterator[tuple[str, LocatedObject, Object]]:
        last, seen_objects = None, False
        for found in located_objects(text):
            seen_objects = True
            if isinstance(found, BadManifestError):
                self.complaints.append(with_location(source, found.place, str(found)))
                self.unreadable += bool(found.path)
                continue
            if self._documents >= MOST_OBJECTS:
                self._is_full = True
                self.complaints.append(too_many_objects(source))
                return
            try:
                one = read(found.value)
            except NotKubernetesError as bad:
                self.unreadable += bool(found.path)
                if is_named or found.path:
                    item = f"{dotted_path(found.path)}: " if found.path else ""
                    self.complaints += (
                        with_location(source, place, f"{item}{message}") for place, message in bad.each(found)
                    )
                else:
                    self.passed_over += [] if source in self.passed_over[-1:] else [source]
                continue
            except BadManifestError as bad:
                self.complaints += (with_location(source, place, message) for place, message in bad.each(found))
                self.unreadable += 1
            else:
                yield shown(source), found, one
            if found.chunk is not last:
                self.notes += (with_location(source, place, says) for says, place in found.remarks)
            last = found.chunk
            self._documents += 1
        if not seen_objects and any(True for _ in read_documents(text)):
            self._documents += 1  # a List without items

    def _sources(self) -> Iterator[tuple[str, bool]]:
        """Yield each file, and whether the command line names it: in folders, other programs' files are skipped."""
        for path in self._paths:
            if path == STDIN:
                yield path, True
                continue
            for found in find_files(path):
                if isinstance(found, SkippedPath):
                    self.complaints.append(found.why)
                else:
                    yield found, found == path


def too_many_objects(source: str) -> str:
    """Return the message for a command line with more objects than the limit."""
    return (
        f"{shown(source)}: more than {MOST_OBJECTS:,} objects up to this line, which is the limit of one "
        "command; pass fewer files at once"
    )


def with_location(source: str, place: YamlPosition | None, message: str) -> str:
    """Return a message with its place in a file, in the form that editors can jump to: FILE:LINE:COLUMN."""
    return f"{shown(source)}:{place.line}:{place.column}: {message}" if place else f"{shown(source)}: {message}"
