"""The objects in a file, each with the places of its values; Lists and OpenShift Templates are taken apart."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from msgspec import Struct

from webhook.syntax.composing import BadYamlError, Composed, Place, compose, compose_with_places
from webhook.syntax.openshift import is_template, objects_of
from webhook.syntax.splitting import MARK, BadTextError, Chunk, chunks
from webhook.syntax.templating import CHECK, unrendered
from webhook.syntax.values import Step, kind_of

# kubectl takes no List in a List at all; aliases make a short file of many.
DEEPEST_LIST: Final = 3
MOST_OBJECTS: Final = 100_000
# Five of the largest objects of the API server (1.5 MiB, etcd's --max-request-bytes): more is a List. The values of so much YAML and their
# places take 500 MiB of memory, and as JSON a List is read five times as fast.
LARGEST_YAML: Final = 8 << 20
# YAML is read at 1 to 2 MiB a second, so the place of a fault costs a few seconds here.
LARGEST_PLACED: Final = 4 << 20
LIST: Final = "List"
SPLIT: Final = "write its objects as documents of their own, or as JSON (kubectl get -o json)"
# How a comment begins in JavaScript, and in what some programs take for JSON.
SLASHES: Final = re.compile(r"(?m)^[ \t]*(?://|/\*)|[,{\[]\s*(?://|/\*)")
NO_COMMENTS: Final = "; in JSON kubectl takes no comments with // or /*, but with #"
REPEATED: Final = "the key {!r} is here for the second time in one mapping; kubectl takes the last one"
UNREAD: Final = (
    "... ends the document, and kubectl reads nothing of what follows it up to the next ---; begin a document with ---"
)
NO_BREAK: Final = "\u00a0"
ODD_BLANK: Final = re.compile(rf"(?m)^[ \t]*{NO_BREAK}")
ODD_INDENT: Final = "a no-break space (U+00A0) before the first word of a line is part of the word, and no indentation; replace it by a blank"
Path = tuple[Step, ...]


class BadManifest(Exception):  # noqa: N818 (the manifest is bad, not the program)
    """A document that is no Kubernetes object; the message says why, `path` and `place` say where.

    `is_last` says that nothing behind it in the file is read.
    """

    def __init__(self, message: str, path: Path = (), place: Place | None = None, *, is_last: bool = False) -> None:
        super().__init__(message)
        self.path = path
        self.place = place
        self.is_last = is_last

    def each(self, found: "Located") -> Iterator[tuple[Place | None, str]]:
        """Each fault of the object that was found, with its place in the file."""
        yield self.place or found.place(self.path), str(self)


class Located(Struct, frozen=True):
    """An object of a file: what it says, and where; `path` leads to it inside its document.

    `again` are the keys that its document has more than once in one mapping, and `odd` what else kubectl reads otherwise than it looks, each
    with its place in the document.
    """

    value: Any
    chunk: Chunk
    path: Path = ()
    again: tuple[tuple[str, Place], ...] = ()
    odd: tuple[tuple[str, Place], ...] = ()

    def place(self, path: Path = ()) -> Place | None:
        """Return where the value at a path of the object is, or the innermost part of the path that is there; None in JSON of no places."""
        steps = (*self.path, *path)
        if not steps:
            return Place(self.chunk.first_line, 1)
        if (whole := with_places(self.chunk.text, is_json=self.chunk.is_json)) is None or whole.places is None:
            return None if self.chunk.is_json else Place(self.chunk.first_line, 1)
        found, value = None, whole.value
        for step in steps:
            known = whole.places.get(id(value), {})
            if step not in known:
                break
            found, value = known[step], value[step]
        return moved(found, self.chunk.line) if found else Place(self.chunk.first_line, 1)

    def written(self, path: Path) -> str | None:
        """Return how the file writes a value that has no quotes; None where it has quotes or is not there."""
        found = self.place(path)
        return found.written if found else None

    @property
    def repeated(self) -> tuple[tuple[str, Place], ...]:
        """Each key that its document has more than once in one mapping; kubectl takes the last one."""
        return tuple((key, moved(place, self.chunk.line)) for key, place in self.again)

    @property
    def remarks(self) -> Iterator[tuple[str, Place]]:
        """Yield what kubectl reads otherwise in its document than it looks, in words, with the place in the file."""
        yield from ((REPEATED.format(key), place) for key, place in self.repeated)
        yield from ((says, moved(place, self.chunk.line)) for says, place in self.odd)


@lru_cache(maxsize=1)  # one document may have many faults
def with_places(text: str, *, is_json: bool) -> Composed | None:
    """Return a document with its places; JSON is read as YAML for them, and None where it is none, or so large that they cost more than they help."""
    if is_json and len(text) > LARGEST_PLACED:
        return None
    try:
        return compose_with_places(text)
    except BadYamlError:
        return None


def moved(place: Place, first: int) -> Place:
    """Return a place of a document as a place of its file; `first` is the document's first line."""
    return place._replace(line=place.line + first - 1)


def documents(text: str) -> Iterator[Any]:
    """Each object of a file.  Raises BadManifest at the first document that cannot be read."""
    for found in located(text):
        if isinstance(found, BadManifest):
            raise found
        yield found.value


def located(text: str, reader: str = CHECK) -> Iterator[Located | BadManifest]:
    """Each object of a file with its places, and in its stead what is wrong with a document that cannot be read.

    `reader` is the command that reads a template once it is rendered, for messages.
    """
    for number, found in enumerate(chain.from_iterable(map(objects, whole(text, reader)))):
        if number >= MOST_OBJECTS:
            yield BadManifest(f"more than {MOST_OBJECTS:,} objects, the most of one file", is_last=True)
            return
        yield found
        if isinstance(found, BadManifest) and found.is_last:
            return


def whole(text: str, reader: str = CHECK) -> Iterator[Located | BadManifest]:
    """Each document of a file that is not empty."""
    try:
        for number, chunk in enumerate(chunks(text)):
            if number >= MOST_OBJECTS:
                yield BadManifest(
                    f"more than {MOST_OBJECTS:,} documents, empty ones too, the most of one file",
                    place=Place(chunk.line, 1),
                    is_last=True,
                )
                return
            if chunk.is_empty:
                continue
            found = composed(chunk, reader)
            if isinstance(found, BadManifest) or found.value is not None:
                yield found
    except BadTextError as bad:
        template = unrendered(text, bad.line, reader)
        yield BadManifest(template.says if template else str(bad), place=Place(bad.line, bad.column), is_last=True)


def composed(chunk: Chunk, reader: str) -> Located | BadManifest:
    """Return one document, or what is wrong with it."""
    if chunk.is_json:
        return Located(chunk.value, chunk)
    if len(chunk.text) > LARGEST_YAML:
        return BadManifest(
            f"a YAML document of more than {LARGEST_YAML >> 20} MiB; {SPLIT}", place=Place(chunk.line, 1)
        )
    try:
        found = compose(chunk.text, chunk.line)
    except BadYamlError as bad:
        place = bad.place or Place(1, 1)
        if template := unrendered(chunk.text, place.line, reader):
            return BadManifest(
                template.says, place=moved(Place(template.line, template.column), chunk.line), is_last=True
            )
        advice = ""
        if chunk.is_json_like:
            advice = NO_COMMENTS if SLASHES.search(chunk.text) else "; it is no JSON either"
        return BadManifest(f"not YAML: {bad}{advice}", place=moved(place, chunk.line))
    return misplaced(chunk, found.value) or Located(
        found.value, chunk, again=found.repeated, odd=tuple(oddities(chunk.text, found))
    )


def oddities(text: str, found: Composed) -> Iterator[tuple[str, Place]]:
    """Yield what of a document is read otherwise than it looks: text behind its end, and a line that is indented by what YAML takes for a letter."""
    if found.rest is not None:
        yield UNREAD, found.rest
    if (blank := ODD_BLANK.search(text) if NO_BREAK in text else None) is not None:
        yield ODD_INDENT, Place(text.count("\n", 0, blank.start()) + 1, len(blank[0]))


def misplaced(chunk: Chunk, value: Any) -> BadManifest | None:
    """Return what is wrong with a document that is YAML to a parser alone; None where nothing is."""
    if isinstance(value, str) and chunk.is_json_like:
        return BadManifest(f"not JSON: it begins with a comment{NO_COMMENTS}", place=Place(chunk.first_line, 1))
    marked = chunk.text.find(MARK)
    if marked >= 0 and not (isinstance(value, dict) and {"apiVersion", "kind"} <= value.keys()):
        line = chunk.line + chunk.text.count("\n", 0, marked)
        return BadManifest("a byte order mark (U+FEFF) is inside the document; remove it", place=Place(line, 1))
    return None


def objects(document: Located | BadManifest, depth: int = 0) -> Iterator[Located | BadManifest]:
    """Each object of a document: the items of a List, the objects of an OpenShift Template, or the document itself.

    As to kubectl, whatever has a field `items` at its top is a list (apimachinery, pkg/apis/meta/v1/unstructured). Items of a typed
    list (PodList) take their kind from it.
    """
    if isinstance(document, BadManifest):
        yield document
        return
    value = document.value
    kind = value.get("kind") if isinstance(value, dict) else None
    if depth > DEEPEST_LIST:
        yield BadManifest(f"Lists in Lists, more than {DEEPEST_LIST} deep", place=document.place(), is_last=True)
    elif is_template(value):
        yield from template_objects(document, depth)
    elif kind == LIST and not isinstance(value.get("items", ""), list | None):
        found = kind_of(value["items"]) if "items" in value else "nothing"
        yield BadManifest(f"items: expected a list of objects, got {found}", path=(), place=document.place(("items",)))
    elif isinstance(kind, str) and "items" in value and isinstance(items := value["items"] or [], list):
        is_typed = kind.endswith(LIST) and kind != LIST
        implied = {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix(LIST)} if is_typed else {}
        for number, item in enumerate(items):
            where = inside(document, {**implied, **item} if isinstance(item, dict) else item, ("items", number))
            if isinstance(item, dict):
                yield from objects(where, depth + 1)
            else:
                message = f"{dotted(where.path)}: expected an object with apiVersion and kind, got {kind_of(item)}"
                yield BadManifest(message, path=where.path, place=where.place())
    else:
        yield document


def template_objects(document: Located, depth: int) -> Iterator[Located | BadManifest]:
    """Each object of an OpenShift Template."""
    try:
        found = list(objects_of(document.value))
    except RecursionError:
        yield BadManifest("the Template is nested too deep", place=document.place())
        return
    for number, one in enumerate(found):
        yield from objects(inside(document, one, ("objects", number)), depth + 1)


def dotted(path: Path) -> str:
    """Return the path of an object inside its document: `items[2].items[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def inside(document: Located, value: Any, path: Path) -> Located:
    """Return an object that is inside a document."""
    return Located(value, document.chunk, (*document.path, *path), document.again, document.odd)
