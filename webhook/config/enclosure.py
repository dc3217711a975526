"""The text of a policy file in the bytes of a file: by itself, or in the manifest of the ConfigMap that holds it in a cluster."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import yaml
from msgspec import Struct, field
from msgspec.structs import replace

from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import Loaded, parse
from webhook.config.places import Place, place
from webhook.config.reading import LARGEST, PARSER
from webhook.files import Form
from webhook.model.abbreviation import listed
from webhook.model.encoding import UTF_8, marked
from webhook.model.names import POLICY_CONFIGMAP, POLICY_CONFIGMAP_KEY

# Every line of the policy file is indented there, and a chart's other manifests may be in the same file.
LARGEST_MANIFEST: Final = 8 * LARGEST
# UTF-16 takes two bytes for each character.
POLICY_FILE: Final = Form("a policy file", 2 * LARGEST_MANIFEST)
CONFIG_MAP: Final = re.compile(r"""\bkind["']?\s*:\s*["']?ConfigMap\b""")
KIND, NAME = ("kind",), ("metadata", "name")
DATA: Final = "data"
LITERAL: Final = "|"
NO_MARK: Final = "the file is UTF-16 without a byte order mark; save it as UTF-8, in PowerShell by `… | Out-File -Encoding utf8 FILE`"


class NotTextError(Exception):
    """Bytes that are no text; the message says why and how to correct that."""


class Enclosed(Struct, frozen=True):
    """The text of a policy file in a manifest.

    `place` is where its value begins. Where the lines of the value are lines of the manifest, `first` is the line of the manifest
    with its first line, and `indent` the number of columns before it; else `first` is 0.
    """

    text: str
    place: Place
    first: int = 0
    indent: int = 0

    def moved(self, fault: PolicyFault) -> PolicyFault:
        """Return a fault of the policy file with its place in the manifest."""
        if fault.place is None:
            return replace(fault, place=self.place)
        line, column = fault.place
        if self.first:
            return replace(fault, place=Place(line + self.first - 1, column + self.indent))
        where = f"line {line}, column {column} of {DATA}[{POLICY_CONFIGMAP_KEY!r}]"
        return replace(fault, place=self.place, message=f"{fault.message} ({where})")


class ConfigMap(Struct):
    """A ConfigMap of a file: its name, and the texts under `data`."""

    kind: str = ""
    name: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def text_of(content: bytes) -> str:
    """Return the text of a file; as in kubectl a byte order mark tells UTF-16 from UTF-8.  Raises NotTextError."""
    encoding, behind = marked(content)
    if not encoding:
        raise NotTextError(NO_MARK)
    return decoded(behind, encoding, "UTF-8" if encoding == UTF_8 else "UTF-16")


def decoded(content: bytes, encoding: str, called: str) -> str:
    """Return bytes as text.  Raises NotTextError."""
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as bad:
        line = content.count(b"\n", 0, bad.start) + 1
        raise NotTextError(
            f"line {line} is not {called} (byte 0x{content[bad.start]:02x}); save the file as UTF-8"
        ) from None


def parse_file(text: str) -> Loaded:
    """Return the policy of a file that is a policy file or the manifest of its ConfigMap.

    Raises BadPolicy with every fault, each with its place in the file.
    """
    found = enclosed(text)
    if found is None:
        return parse(text)
    try:
        return parse(found.text)
    except BadPolicy as bad:
        raise BadPolicy(map(found.moved, bad.faults)) from None


def enclosed(text: str) -> Enclosed | None:
    """Return the policy file in a manifest; None for a text that is no ConfigMap, which may be a policy file itself.

    Raises BadPolicy for a ConfigMap without a policy file, and for several with one.
    """
    if len(text) > LARGEST_MANIFEST or not CONFIG_MAP.search(text):
        return None
    try:
        documents = [one for one in config_maps(text) if one.kind]
    except yaml.YAMLError:
        return None  # what is wrong with it is said when it is read as a policy file
    maps = [one for one in documents if one.kind == "ConfigMap"]
    if not maps or any(one.kind == "GuardPolicy" for one in documents):
        return None
    holding = [one for one in maps if POLICY_CONFIGMAP_KEY in one.data]
    usual = [one for one in holding if one.name == POLICY_CONFIGMAP] or holding
    if not usual:
        raise BadPolicy([PolicyFault(DATA, without(maps[0]))])
    if len(usual) > 1:
        names = " and ".join(repr(one.name) for one in usual[:2])
        raise BadPolicy(
            [PolicyFault("", f"the ConfigMaps {names} both have {POLICY_CONFIGMAP_KEY}; give the manifest of one")]
        )
    return inside(usual[0].data[POLICY_CONFIGMAP_KEY], text)


def without(found: ConfigMap) -> str:
    """Return the sentence for a ConfigMap that holds no policy file."""
    if any(key.startswith(f"{POLICY_CONFIGMAP_KEY}.") for key in found.data):
        return f"{POLICY_CONFIGMAP_KEY} is a mapping; a ConfigMap holds text: write {POLICY_CONFIGMAP_KEY}: | and the file below it"
    keys = f"its keys are {listed(list(found.data))}" if found.data else "it has no keys"
    return f"the ConfigMap {found.name!r} has no key {POLICY_CONFIGMAP_KEY} with the policy file as text; {keys}"


def inside(event: Any, text: str) -> Enclosed:
    """Return the text of a scalar, and how its lines are found in the manifest."""
    at = place(event.start_mark)
    whole, inner = text.split("\n"), event.value.split("\n")
    outer = [line.removesuffix("\r") for line in whole[at.line : at.line + len(inner)]]
    pairs = [(out, one) for out, one in zip(outer, inner, strict=False) if one]
    if event.style != LITERAL or not pairs:
        return Enclosed(event.value, at)
    indent = len(pairs[0][0]) - len(pairs[0][1])
    if any(out[indent:] != one for out, one in pairs):
        return Enclosed(event.value, at)
    return Enclosed(event.value, at, at.line + 1, indent)


def config_maps(text: str) -> Iterator[ConfigMap]:
    """Each document of a file, with what it has of a ConfigMap.  Raises yaml.YAMLError."""
    found = ConfigMap()
    for path, event in scalars(yaml.parse(text, PARSER)):
        if isinstance(event, yaml.DocumentEndEvent):
            yield found
            found = ConfigMap()
        elif path == KIND:
            found.kind = event.value
        elif path == NAME:
            found.name = event.value
        elif path[:1] == (DATA,) and len(path) > 1:
            found.data[".".join(path[1:])] = event


class Open(Struct):
    """A mapping or a list whose end is not read yet; `key` is the key whose value is awaited, or None where a key is."""

    is_list: bool
    key: str | None = None


def scalars(events: Iterable[Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each scalar that is a value with the keys that lead to it, and each end of a document."""
    around: list[Open] = []
    for event in events:
        if isinstance(event, yaml.DocumentEndEvent):
            yield (), event
        elif isinstance(event, yaml.CollectionStartEvent):
            around.append(Open(isinstance(event, yaml.SequenceStartEvent)))
        elif isinstance(event, yaml.ScalarEvent) and around and not around[-1].is_list and around[-1].key is None:
            around[-1].key = event.value
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent | yaml.CollectionEndEvent):
            if isinstance(event, yaml.ScalarEvent):
                yield tuple(one.key or "" for one in around), event
            elif isinstance(event, yaml.CollectionEndEvent):
                around.pop()
            if around:
                around[-1].key = None
