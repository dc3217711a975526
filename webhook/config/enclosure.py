"""Read the text of a policy file from bytes; the file is a policy file or the manifest of its ConfigMap."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.config.faults import BadPolicy, NoPolicy, PolicyFault
from webhook.config.parse import Loaded, parse
from webhook.config.places import Place
from webhook.config.reading import CONFIG_CHECK, LARGEST
from webhook.files import Form
from webhook.model.abbreviation import listed
from webhook.model.encoding import UTF_8, UTF_32, detect_encoding, is_utf_32
from webhook.model.file_types import file_type
from webhook.model.names import POLICY_CONFIGMAP, POLICY_CONFIGMAP_KEY
from webhook.syntax import values
from webhook.syntax.documents import BadManifestError, LocatedObject, located_objects
from webhook.syntax.values import FileValue, field_path

# The manifest indents every line of the policy file, and may contain a chart's other manifests.
LARGEST_MANIFEST: Final = 8 * LARGEST
# UTF-16 takes two bytes for each character.
POLICY_FILE: Final = Form("a policy file", 2 * LARGEST_MANIFEST)
SPELT: Final = re.compile(r"config[-_ ]?maps?", re.IGNORECASE)
CONFIG_MAP: Final = re.compile(rf"""\bkind["']?\s*:\s*["']?{SPELT.pattern}\b""", re.IGNORECASE)
# A line shows the kind of a document that cannot be read.
AT_MARGIN: Final = re.compile(r"^kind:[ \t]*ConfigMap\b", re.MULTILINE)
POLICY_IN: Final = re.compile(r"^kind: *GuardPolicy\b", re.MULTILINE)
DATA, BINARY = "data", "binaryData"
# The header of a block whose lines are the lines of the text; an anchor or a tag may precede it.
LITERAL: Final = re.compile(r"(?:[&!]\S*[ \t]+)*\|")
FOLDED: Final = re.compile(r"(?:[&!]\S*[ \t]+)*>")
JOINED: Final = f"> joins the lines of the text; write {POLICY_CONFIGMAP_KEY}: |"
ALIAS: Final = re.compile(r"\*([^\s,\[\]{}]+)")
NO_LINES: Final = (
    f"it contains no policy; write the lines of the policy file below {POLICY_CONFIGMAP_KEY}: | with more "
    "indentation than this key"
)
AS_LINES: Final = f"write it below {DATA} as {POLICY_CONFIGMAP_KEY}: | with the lines of the file below it"
NO_MARK: Final = (
    "the file is UTF-16 without a byte order mark; save it as UTF-8, in PowerShell with `… | Out-File "
    "-Encoding utf8 FILE`"
)


class NotTextError(Exception):
    """The bytes are not text; the message gives the reason and the remedy."""


class Enclosed(Struct, frozen=True):
    """The text of a policy file in a manifest.

    `place` is where its value begins. Where the lines of the value are lines of the manifest, `first` is the line of the manifest
    with its first line, and `indent` the number of columns before it; else `first` is 0. `faults` are those of the manifest, `remarks` those on what of it is not read, and a folded text (>) has its lines joined.
    """

    text: str
    place: Place
    first: int = 0
    indent: int = 0
    faults: tuple[PolicyFault, ...] = ()
    is_folded: bool = False
    remarks: tuple[PolicyFault, ...] = ()

    def moved(self, fault: PolicyFault) -> PolicyFault:
        """Return a fault of the policy file with its place in the manifest."""
        if fault.place is None:
            return replace(fault, place=self.place)
        line, column = fault.place
        if self.first:
            return replace(fault, place=Place(line + self.first - 1, column + self.indent))
        where = f"line {line}, column {column} of {DATA}[{POLICY_CONFIGMAP_KEY!r}]"
        return replace(fault, place=self.place, message=f"{fault.message} ({where})")


def text_of(content: bytes) -> str:
    """Return the text of a file; as in kubectl, a byte order mark selects UTF-16 or UTF-8.  Raises NotTextError."""
    if what := file_type(content) or (UTF_32 if is_utf_32(content) else ""):
        raise NotTextError(what)
    encoding, behind = detect_encoding(content)
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
    """Return the policy of a policy file or of the manifest of its ConfigMap.

    Raises BadPolicy with every fault, each with its place in the file.
    """
    found = manifest_in(text)
    if found is None:
        return parse(text)
    faults = list(found.faults)
    try:
        loaded = parse(found.text, found.first or 1)
    except NoPolicy:
        faults.append(PolicyFault(field_path((DATA, POLICY_CONFIGMAP_KEY)), NO_LINES, found.place))
    except BadPolicy as bad:
        faults += (
            [PolicyFault(field_path((DATA, POLICY_CONFIGMAP_KEY)), JOINED, found.place)]
            if found.is_folded
            else map(found.moved, bad.faults)
        )
    if faults:
        raise BadPolicy(sorted(faults, key=lambda one: one.place or (0, 0)))
    return replace(loaded, warnings=tuple(map(found.moved, loaded.warnings)))


def enclosed(text: str) -> Enclosed | None:
    """Return the policy file in a manifest; None if the text is no ConfigMap and may be a policy file.

    Raises BadPolicy if the manifest has faults of its own. Examples are a ConfigMap without a policy file, and several
    with one.
    """
    found = manifest_in(text)
    if found and found.faults:
        raise BadPolicy(found.faults)
    return found


def manifest_in(text: str) -> Enclosed | None:
    """Return the policy file in a manifest with the faults of the manifest, read as kubectl reads it.

    Return None for a text that is no ConfigMap. Raises BadPolicy if no policy file can be found.
    """
    if len(text) > LARGEST_MANIFEST or not CONFIG_MAP.search(text):
        return None
    found = list(located_objects(text, CONFIG_CHECK))
    objects = [one for one in found if isinstance(one, LocatedObject) and isinstance(one.value, dict)]
    if any(one.value.get("kind") == "GuardPolicy" for one in objects):
        return None
    maps = [one for one in objects if is_config_map(one)]
    unread = [PolicyFault("", str(one), placed(one.place)) for one in found if isinstance(one, BadManifestError)]
    if not maps:
        if unread and AT_MARGIN.search(text):
            raise BadPolicy(unread)
        return None
    try:
        chosen = the_one(maps)
    except BadPolicy as bad:
        raise BadPolicy([*unread, *bad.faults]) from None
    faults = (*unread, *faults_of(chosen))
    value = chosen.value[DATA][POLICY_CONFIGMAP_KEY]
    if not isinstance(value, str):
        raise BadPolicy(faults)
    return replace(inside(chosen, value, text), faults=faults, remarks=tuple(unread_keys(chosen)))


def is_config_map(found: LocatedObject) -> bool:
    """Return whether an object is meant as a ConfigMap, in any spelling."""
    kind = found.value.get("kind")
    return isinstance(kind, str) and SPELT.fullmatch(kind) is not None


def the_one(maps: Sequence[LocatedObject]) -> LocatedObject:
    """Return the ConfigMap with the policy file.  Raises BadPolicy if there is none or more than one."""
    holding = [one for one in maps if POLICY_CONFIGMAP_KEY in texts(one, DATA)]
    usual = [one for one in holding if name_of(one) == POLICY_CONFIGMAP] or holding
    if not usual:
        raise BadPolicy([without(maps[0])])
    if len(usual) > 1:
        names = " and ".join(repr(name_of(one)) for one in usual[:2])
        message = (
            f"the ConfigMaps {names} both have the key {POLICY_CONFIGMAP_KEY}; pass the manifest of one ConfigMap only"
        )
        raise BadPolicy([PolicyFault("", message, placed(usual[1].place()))])
    return usual[0]


def texts(found: LocatedObject, field: str) -> Mapping[str, Any]:
    """Return the mapping under `data` or `binaryData` of a ConfigMap."""
    inside_ = found.value.get(field)
    return inside_ if isinstance(inside_, dict) else {}


def name_of(found: LocatedObject) -> str:
    """Return the name of an object; empty if it has none."""
    metadata = found.value.get("metadata")
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""


def without(found: LocatedObject) -> PolicyFault:
    """Return the fault of a ConfigMap that holds no policy file."""
    if POLICY_CONFIGMAP_KEY in texts(found, BINARY):
        message = (
            f"{POLICY_CONFIGMAP_KEY} is Base64, because kubectl create configmap found a file that is not "
            f"UTF-8; {AS_LINES}"
        )
        return PolicyFault(BINARY, message, placed(found.place((BINARY, POLICY_CONFIGMAP_KEY))))
    data = found.value.get(DATA)
    if data is not None and not isinstance(data, dict):
        return PolicyFault(DATA, values.expected_mapping(FileValue(data)), placed(found.place((DATA,))))
    if POLICY_CONFIGMAP_KEY in found.value:
        message = f"{POLICY_CONFIGMAP_KEY} is next to {DATA}; write it below {DATA}"
        return PolicyFault(POLICY_CONFIGMAP_KEY, message, placed(found.place((POLICY_CONFIGMAP_KEY,))))
    keys = (
        f"its keys are {listed(list(data))}; rename the key that contains the policy file" if data else "it has no keys"
    )
    message = f"the ConfigMap {name_of(found)!r} has no key {POLICY_CONFIGMAP_KEY} with the policy file; {keys}"
    return PolicyFault(DATA, message, placed(found.place((DATA,))))


def faults_of(found: LocatedObject) -> Iterator[PolicyFault]:
    """Yield each fault for which the API server refuses the ConfigMap, and each repeated key, which kubectl drops."""
    kind, version = found.value["kind"], found.value.get("apiVersion")
    if kind != "ConfigMap":
        yield PolicyFault("kind", f"{kind!r} is unknown; write kind: ConfigMap", placed(found.place(("kind",))))
    if version != "v1":
        wrong = f"{FileValue(version).quoted} is unknown; " if version is not None else ""
        yield PolicyFault("apiVersion", f"{wrong}a ConfigMap has apiVersion: v1", placed(found.place(("apiVersion",))))
    for field in (DATA, BINARY):
        for key, value in texts(found, field).items():
            if not isinstance(value, str):
                path = (field, key)
                yield PolicyFault(
                    field_path(path), not_text(key, value, found.written(path)), placed(found.place(path))
                )
    for key, place in found.repeated:
        yield PolicyFault("", f"duplicate key {key!r}; remove one of the two", placed(place))


def unread_keys(found: LocatedObject) -> Iterator[PolicyFault]:
    """Yield a remark on each policy file under a key of the ConfigMap that catflap does not read."""
    for key, value in texts(found, DATA).items():
        if key != POLICY_CONFIGMAP_KEY and isinstance(value, str) and POLICY_IN.search(value):
            message = f"it has no effect: catflap reads only the key {POLICY_CONFIGMAP_KEY} of this ConfigMap"
            yield PolicyFault(field_path((DATA, key)), message, placed(found.place((DATA, key))))


def not_text(key: str, value: Any, written: str | None) -> str:
    """Return the sentence for a value of a ConfigMap that is not text."""
    if key == POLICY_CONFIGMAP_KEY:
        return f"{FileValue(value, written).described}; a value in a ConfigMap must be text: {AS_LINES}"
    return values.expected_text(FileValue(value, written))


def placed(found: Any) -> Place | None:
    """Return a place of a manifest as a place of a policy file."""
    return Place(found.line, found.column) if found else None


def inside(found: LocatedObject, value: str, text: str) -> Enclosed:
    """Return the policy file in a ConfigMap, and the position of its lines in the manifest."""
    lines = text.split("\n")
    at = anchored(placed(found.place((DATA, POLICY_CONFIGMAP_KEY))) or Place(1, 1), lines)
    inner = value.split("\n")
    outer = [line.removesuffix("\r") for line in lines[at.line : at.line + len(inner)]]
    pairs = [(out, one) for out, one in zip(outer, inner, strict=False) if one]
    if not LITERAL.match(lines[at.line - 1], at.column - 1) or not pairs:
        return Enclosed(value, at, is_folded=FOLDED.match(lines[at.line - 1], at.column - 1) is not None)
    indent = len(pairs[0][0]) - len(pairs[0][1])
    if any(out[indent:] != one for out, one in pairs):
        return Enclosed(value, at)
    return Enclosed(value, at, at.line + 1, indent)


def anchored(at: Place, lines: Sequence[str]) -> Place:
    """Return the place of the value that an alias at `at` refers to; `at` if there is no alias."""
    if not (alias := ALIAS.match(lines[at.line - 1], at.column - 1)):
        return at
    anchor = re.compile(rf"(?<!\S)&{re.escape(alias[1])}(?!\S)")
    for number in range(at.line, 0, -1):
        if found := anchor.search(lines[number - 1]):
            return Place(number, found.start() + 1)
    return at
