"""Find the objects in a file with the places of their values, also in Lists and OpenShift Templates."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from msgspec import Struct

from webhook.syntax.document_splitter import BYTE_ORDER_MARK, BadTextError, DocumentText, split_documents
from webhook.syntax.openshift import is_template, objects_of
from webhook.syntax.template_detection import CHECK_COMMAND, find_template
from webhook.syntax.values import Step, describe_type
from webhook.syntax.yaml_composer import BadYamlError, ComposedDocument, YamlPosition, compose, compose_with_places

# kubectl refuses a List in a List; aliases can turn a short file into many Lists.
DEEPEST_LIST: Final = 3
MOST_OBJECTS: Final = 100_000
# Five of the largest objects of the API server (1.5 MiB, etcd's --max-request-bytes); a larger document is a List. The
# values of so much
# YAML and their places take 500 MiB of memory, and a List in JSON is read five times as fast.
LARGEST_YAML: Final = 8 << 20
# YAML is read at 1 to 2 MiB a second, so the place of a fault takes a few seconds at this size.
LARGEST_WITH_POSITIONS: Final = 4 << 20
LIST: Final = "List"
SPLIT_ADVICE: Final = "split its objects into separate documents, or use JSON (kubectl get -o json)"
# The beginning of a comment in JavaScript, and in the JSON of some programs.
SLASH_COMMENT: Final = re.compile(r"(?m)^[ \t]*(?://|/\*)|[,{\[]\s*(?://|/\*)")
SLASH_COMMENT_ADVICE: Final = "; kubectl accepts comments in JSON only with #, not with // or /*"
DUPLICATE_KEY: Final = "duplicate key {!r} in one mapping; kubectl uses the last one"
TEXT_AFTER_END: Final = (
    "... ends the document, and kubectl ignores the lines after it up to the next ---; start a document with ---"
)
NO_BREAK_SPACE: Final = "\u00a0"
NO_BREAK_INDENT: Final = re.compile(rf"(?m)^[ \t]*{NO_BREAK_SPACE}")
NO_BREAK_MESSAGE: Final = (
    "a no-break space (U+00A0) at the start of a line belongs to the first word instead of the "
    "indentation; replace it with a space"
)
Path = tuple[Step, ...]


class BadManifestError(Exception):
    """A document is no Kubernetes object; the message gives the reason, `path` and `place` give the position.

    `is_last` says that the rest of the file is not read.
    """

    def __init__(
        self, message: str, path: Path = (), place: YamlPosition | None = None, *, is_last: bool = False
    ) -> None:
        super().__init__(message)
        self.path = path
        self.place = place
        self.is_last = is_last

    def each(self, found: "LocatedObject") -> Iterator[tuple[YamlPosition | None, str]]:
        """Yield each fault of an object with its place in the file."""
        yield self.place or found.place(self.path), str(self)


class LocatedObject(Struct, frozen=True):
    """An object of a file with its position; `path` leads to it inside its document.

    `duplicates` are the keys that occur more than once in one mapping of its document. `unexpected` are other parts that kubectl
    reads in an unexpected way. Both have their places in the document.
    """

    value: Any
    chunk: DocumentText
    path: Path = ()
    duplicates: tuple[tuple[str, YamlPosition], ...] = ()
    unexpected: tuple[tuple[str, YamlPosition], ...] = ()

    def place(self, path: Path = ()) -> YamlPosition | None:
        """Return the place of the value at a path of the object, or of the innermost existing part of the path.

        Return None in JSON without places.
        """
        steps = (*self.path, *path)
        if not steps:
            return YamlPosition(self.chunk.first_line, 1)
        if (
            whole := compose_with_positions(self.chunk.text, is_json=self.chunk.is_json)
        ) is None or whole.places is None:
            return None if self.chunk.is_json else YamlPosition(self.chunk.first_line, 1)
        found, value = None, whole.value
        for step in steps:
            known = whole.places.get(id(value), {})
            if step not in known:
                break
            found, value = known[step], value[step]
        return shift_position(found, self.chunk.line) if found else YamlPosition(self.chunk.first_line, 1)

    def written(self, path: Path) -> str | None:
        """Return the text of a value that has no quotes in the file; None for any other value."""
        found = self.place(path)
        return found.written if found else None

    @property
    def repeated(self) -> tuple[tuple[str, YamlPosition], ...]:
        """Return each key that occurs more than once in one mapping of its document; kubectl takes the last one."""
        return tuple((key, shift_position(place, self.chunk.line)) for key, place in self.duplicates)

    @property
    def remarks(self) -> Iterator[tuple[str, YamlPosition]]:
        """Yield the parts of its document that kubectl reads in an unexpected way, with their places in the file."""
        yield from ((DUPLICATE_KEY.format(key), place) for key, place in self.repeated)
        yield from ((message, shift_position(place, self.chunk.line)) for message, place in self.unexpected)


@lru_cache(maxsize=1)  # one document may have many faults
def compose_with_positions(text: str, *, is_json: bool) -> ComposedDocument | None:
    """Return a document with its places; JSON is read as YAML to find them.

    Return None for JSON that is no YAML, or that is so large that the places cost more than they help.
    """
    if is_json and len(text) > LARGEST_WITH_POSITIONS:
        return None
    try:
        return compose_with_places(text)
    except BadYamlError:
        return None


def shift_position(place: YamlPosition, first: int) -> YamlPosition:
    """Return a place of a document as a place of its file; `first` is the document's first line."""
    return place._replace(line=place.line + first - 1)


def documents(text: str) -> Iterator[Any]:
    """Yield each object of a file.  Raises BadManifestError at the first document that cannot be read."""
    for found in located_objects(text):
        if isinstance(found, BadManifestError):
            raise found
        yield found.value


def located_objects(text: str, reader: str = CHECK_COMMAND) -> Iterator[LocatedObject | BadManifestError]:
    """Yield each object of a file with its places, or the fault of a document that cannot be read.

    `reader` is the command that reads the rendered template; messages name it.
    """
    for number, found in enumerate(chain.from_iterable(map(objects, read_documents(text, reader)))):
        if number >= MOST_OBJECTS:
            yield BadManifestError(f"more than {MOST_OBJECTS:,} objects, which is the limit of one file", is_last=True)
            return
        yield found
        if isinstance(found, BadManifestError) and found.is_last:
            return


def read_documents(text: str, reader: str = CHECK_COMMAND) -> Iterator[LocatedObject | BadManifestError]:
    """Yield each document of a file that is not empty."""
    try:
        for number, chunk in enumerate(split_documents(text)):
            if number >= MOST_OBJECTS:
                yield BadManifestError(
                    f"more than {MOST_OBJECTS:,} documents (including empty ones), which is the limit of one file",
                    place=YamlPosition(chunk.line, 1),
                    is_last=True,
                )
                return
            if chunk.is_empty:
                continue
            found = compose_chunk(chunk, reader)
            if isinstance(found, BadManifestError) or found.value is not None:
                yield found
    except BadTextError as bad:
        template = find_template(text, bad.line, reader)
        yield BadManifestError(
            template.says if template else str(bad), place=YamlPosition(bad.line, bad.column), is_last=True
        )


def compose_chunk(chunk: DocumentText, reader: str) -> LocatedObject | BadManifestError:
    """Return one document, or its fault."""
    if chunk.is_json:
        return LocatedObject(chunk.value, chunk)
    if len(chunk.text) > LARGEST_YAML:
        return BadManifestError(
            f"a YAML document of more than {LARGEST_YAML >> 20} MiB; {SPLIT_ADVICE}", place=YamlPosition(chunk.line, 1)
        )
    try:
        found = compose(chunk.text, chunk.line)
    except BadYamlError as bad:
        place = bad.place or YamlPosition(1, 1)
        if template := find_template(chunk.text, place.line, reader):
            return BadManifestError(
                template.says,
                place=shift_position(YamlPosition(template.line, template.column), chunk.line),
                is_last=True,
            )
        advice = ""
        if chunk.is_json_like:
            advice = SLASH_COMMENT_ADVICE if SLASH_COMMENT.search(chunk.text) else "; it is not JSON either"
        return BadManifestError(f"not YAML: {bad}{advice}", place=shift_position(place, chunk.line))
    return unexpected_document(chunk, found.value) or LocatedObject(
        found.value, chunk, duplicates=found.repeated, unexpected=tuple(unexpected_parts(chunk.text, found))
    )


def unexpected_parts(text: str, found: ComposedDocument) -> Iterator[tuple[str, YamlPosition]]:
    """Yield the parts of a document that are read in an unexpected way.

    These are text after the end, and a line whose indentation contains a character that YAML takes for a letter.
    """
    if found.rest is not None:
        yield TEXT_AFTER_END, found.rest
    if (blank := NO_BREAK_INDENT.search(text) if NO_BREAK_SPACE in text else None) is not None:
        yield NO_BREAK_MESSAGE, YamlPosition(text.count("\n", 0, blank.start()) + 1, len(blank[0]))


def unexpected_document(chunk: DocumentText, value: Any) -> BadManifestError | None:
    """Return the fault of a document that is YAML only for a parser; None if it has none."""
    if isinstance(value, str) and chunk.is_json_like:
        return BadManifestError(
            f"not JSON: it starts with a comment{SLASH_COMMENT_ADVICE}", place=YamlPosition(chunk.first_line, 1)
        )
    # The parser skips the mark at the beginning of any line. That of kubectl does not (go-yaml v2, yamlprivateh.go, is_bom).
    marked = chunk.text.find(f"\n{BYTE_ORDER_MARK}") + 1 or chunk.text.find(BYTE_ORDER_MARK)
    is_object = isinstance(value, dict) and {"apiVersion", "kind"} <= value.keys()
    if marked >= 0 and (chunk.text[:marked].endswith("\n") or not is_object):
        line = chunk.line + chunk.text.count("\n", 0, marked)
        return BadManifestError(
            "a byte order mark (U+FEFF) is inside the document; remove it", place=YamlPosition(line, 1)
        )
    return None


def objects(document: LocatedObject | BadManifestError, depth: int = 0) -> Iterator[LocatedObject | BadManifestError]:
    """Yield each object of a document: the items of a List, the objects of an OpenShift Template, or the document.

    To kubectl, every object with a top-level field `items` is a list (apimachinery, pkg/apis/meta/v1/unstructured).
    Items of a typed list (PodList) take their kind from the list.
    """
    if isinstance(document, BadManifestError):
        yield document
        return
    value = document.value
    kind = value.get("kind") if isinstance(value, dict) else None
    if depth > DEEPEST_LIST:
        yield BadManifestError(
            f"the nesting of Lists is deeper than {DEEPEST_LIST} levels", place=document.place(), is_last=True
        )
    elif is_template(value):
        yield from template_objects(document, depth)
    elif kind == LIST and not isinstance(value.get("items", ""), list | None):
        found = describe_type(value["items"]) if "items" in value else "nothing"
        yield BadManifestError(
            f"items: expected a list of objects, got {found}", path=(), place=document.place(("items",))
        )
    elif isinstance(kind, str) and "items" in value and isinstance(items := value["items"] or [], list):
        is_typed = kind.endswith(LIST) and kind != LIST
        implied = {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix(LIST)} if is_typed else {}
        for number, item in enumerate(items):
            where = at_path(document, {**implied, **item} if isinstance(item, dict) else item, ("items", number))
            if isinstance(item, dict):
                yield from objects(where, depth + 1)
            else:
                message = (
                    f"{dotted_path(where.path)}: expected an object with apiVersion and kind, got {describe_type(item)}"
                )
                yield BadManifestError(message, path=where.path, place=where.place())
    else:
        yield document


def template_objects(document: LocatedObject, depth: int) -> Iterator[LocatedObject | BadManifestError]:
    """Yield each object of an OpenShift Template."""
    try:
        found = list(objects_of(document.value))
    except RecursionError:
        yield BadManifestError("the nesting of the Template is too deep", place=document.place())
        return
    for number, one in enumerate(found):
        yield from objects(at_path(document, one, ("objects", number)), depth + 1)


def dotted_path(path: Path) -> str:
    """Return the path of an object inside its document, such as `items[2].items[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def at_path(document: LocatedObject, value: Any, path: Path) -> LocatedObject:
    """Return a value inside a document as an object of it."""
    return LocatedObject(value, document.chunk, (*document.path, *path), document.duplicates, document.unexpected)
