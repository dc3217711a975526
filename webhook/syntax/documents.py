"""Find the objects in a file with the places of their values, also in Lists and OpenShift Templates."""

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

# kubectl refuses a List in a List; aliases can turn a short file into many Lists.
DEEPEST_LIST: Final = 3
MOST_OBJECTS: Final = 100_000
# Five of the largest objects of the API server (1.5 MiB, etcd's --max-request-bytes); a larger document is a List. The
# values of so much
# YAML and their places take 500 MiB of memory, and a List in JSON is read five times as fast.
LARGEST_YAML: Final = 8 << 20
# YAML is read at 1 to 2 MiB a second, so the place of a fault takes a few seconds at this size.
LARGEST_PLACED: Final = 4 << 20
LIST: Final = "List"
SPLIT: Final = "split its objects into separate documents, or use JSON (kubectl get -o json)"
# The beginning of a comment in JavaScript, and in the JSON of some programs.
SLASHES: Final = re.compile(r"(?m)^[ \t]*(?://|/\*)|[,{\[]\s*(?://|/\*)")
NO_COMMENTS: Final = "; kubectl accepts comments in JSON only with #, not with // or /*"
REPEATED: Final = "duplicate key {!r} in one mapping; kubectl uses the last one"
UNREAD: Final = (
    "... ends the document, and kubectl ignores the lines after it up to the next ---; start a document with ---"
)
NO_BREAK: Final = "\u00a0"
ODD_BLANK: Final = re.compile(rf"(?m)^[ \t]*{NO_BREAK}")
ODD_INDENT: Final = (
    "a no-break space (U+00A0) at the start of a line belongs to the first word instead of the "
    "indentation; replace it with a space"
)
Path = tuple[Step, ...]


class BadManifest(Exception):  # noqa: N818 (the manifest is bad, not the program)
    """A document is no Kubernetes object; the message gives the reason, `path` and `place` give the position.

    `is_last` says that the rest of the file is not read.
    """

    def __init__(self, message: str, path: Path = (), place: Place | None = None, *, is_last: bool = False) -> None:
        super().__init__(message)
        self.path = path
        self.place = place
        self.is_last = is_last

    def each(self, found: "Located") -> Iterator[tuple[Place | None, str]]:
        """Yield each fault of an object with its place in the file."""
        yield self.place or found.place(self.path), str(self)


class Located(Struct, frozen=True):
    """An object of a file with its position; `path` leads to it inside its document.

    `again` are the keys that occur more than once in one mapping of its document. `odd` are other parts that kubectl
    reads in an unexpected way. Both have their places in the document.
    """

    value: Any
    chunk: Chunk
    path: Path = ()
    again: tuple[tuple[str, Place], ...] = ()
    odd: tuple[tuple[str, Place], ...] = ()

    def place(self, path: Path = ()) -> Place | None:
        """Return the place of the value at a path of the object, or of the innermost existing part of the path.

        Return None in JSON without places.
        """
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
        """Return the text of a value that has no quotes in the file; None for any other value."""
        found = self.place(path)
        return found.written if found else None

    @property
    def repeated(self) -> tuple[tuple[str, Place], ...]:
        """Return each key that occurs more than once in one mapping of its document; kubectl takes the last one."""
        return tuple((key, moved(place, self.chunk.line)) for key, place in self.again)

    @property
    def remarks(self) -> Iterator[tuple[str, Place]]:
        """Yield the parts of its document that kubectl reads in an unexpected way, with their places in the file."""
        yield from ((REPEATED.format(key), place) for key, place in self.repeated)
        yield from ((says, moved(place, self.chunk.line)) for says, place in self.odd)


@lru_cache(maxsize=1)  # one document may have many faults
def with_places(text: str, *, is_json: bool) -> Composed | None:
    """Return a document with its places; JSON is read as YAML to find them.

    Return None for JSON that is no YAML, or that is so large that the places cost more than they help.
    """
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
    """Yield each object of a file.  Raises BadManifest at the first document that cannot be read."""
    for found in located(text):
        if isinstance(found, BadManifest):
            raise found
        yield found.value


def located(text: str, reader: str = CHECK) -> Iterator[Located | BadManifest]:
    """Yield each object of a file with its places, or the fault of a document that cannot be read.

    `reader` is the command that reads the rendered template; messages name it.
    """
    for number, found in enumerate(chain.from_iterable(map(objects, whole(text, reader)))):
        if number >= MOST_OBJECTS:
            yield BadManifest(f"more than {MOST_OBJECTS:,} objects, which is the limit of one file", is_last=True)
            return
        yield found
        if isinstance(found, BadManifest) and found.is_last:
            return


def whole(text: str, reader: str = CHECK) -> Iterator[Located | BadManifest]:
    """Yield each document of a file that is not empty."""
    try:
        for number, chunk in enumerate(chunks(text)):
            if number >= MOST_OBJECTS:
                yield BadManifest(
                    f"more than {MOST_OBJECTS:,} documents (including empty ones), which is the limit of one file",
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
    """Return one document, or its fault."""
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
            advice = NO_COMMENTS if SLASHES.search(chunk.text) else "; it is not JSON either"
        return BadManifest(f"not YAML: {bad}{advice}", place=moved(place, chunk.line))
    return misplaced(chunk, found.value) or Located(
        found.value, chunk, again=found.repeated, odd=tuple(oddities(chunk.text, found))
    )


def oddities(text: str, found: Composed) -> Iterator[tuple[str, Place]]:
    """Yield the parts of a document that are read in an unexpected way.

    These are text after the end, and a line whose indentation contains a character that YAML takes for a letter.
    """
    if found.rest is not None:
        yield UNREAD, found.rest
    if (blank := ODD_BLANK.search(text) if NO_BREAK in text else None) is not None:
        yield ODD_INDENT, Place(text.count("\n", 0, blank.start()) + 1, len(blank[0]))


def misplaced(chunk: Chunk, value: Any) -> BadManifest | None:
    """Return the fault of a document that is YAML only for a parser; None if it has none."""
    if isinstance(value, str) and chunk.is_json_like:
        return BadManifest(f"not JSON: it starts with a comment{NO_COMMENTS}", place=Place(chunk.first_line, 1))
    marked = chunk.text.find(MARK)
    if marked >= 0 and not (isinstance(value, dict) and {"apiVersion", "kind"} <= value.keys()):
        line = chunk.line + chunk.text.count("\n", 0, marked)
        return BadManifest("a byte order mark (U+FEFF) is inside the document; remove it", place=Place(line, 1))
    return None


def objects(document: Located | BadManifest, depth: int = 0) -> Iterator[Located | BadManifest]:
    """Yield each object of a document: the items of a List, the objects of an OpenShift Template, or the document.

    To kubectl, every object with a top-level field `items` is a list (apimachinery, pkg/apis/meta/v1/unstructured).
    Items of a typed list (PodList) take their kind from the list.
    """
    if isinstance(document, BadManifest):
        yield document
        return
    value = document.value
    kind = value.get("kind") if isinstance(value, dict) else None
    if depth > DEEPEST_LIST:
        yield BadManifest(
            f"the nesting of Lists is deeper than {DEEPEST_LIST} levels", place=document.place(), is_last=True
        )
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
    """Yield each object of an OpenShift Template."""
    try:
        found = list(objects_of(document.value))
    except RecursionError:
        yield BadManifest("the nesting of the Template is too deep", place=document.place())
        return
    for number, one in enumerate(found):
        yield from objects(inside(document, one, ("objects", number)), depth + 1)


def dotted(path: Path) -> str:
    """Return the path of an object inside its document, such as `items[2].items[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def inside(document: Located, value: Any, path: Path) -> Located:
    """Return a value inside a document as an object of it."""
    return Located(value, document.chunk, (*document.path, *path), document.again, document.odd)
