"""catflap reads manifests as kubectl does: the same objects, the same values, and an error where kubectl has one."""

import random
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

from tests.controlplane.tools import Tools
from tests.oracles.kubectl import Read, read_all
from webhook.syntax.document_splitter import BadTextError, decode_text
from webhook.syntax.documents import BadManifestError, located_objects

HEAD: Final = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: case-NUMBER}\n"
JSON_HEAD: Final = '{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"case-NUMBER"}'
NUMBER: Final = "case-NUMBER"
MARK: Final = "\ufeff"
SEED: Final = 20_261_130

IN_ROWS: Final = """
y Y n N yes Yes YES yES no No NO on On ON oN off Off OFF true True TRUE tRue false False FALSE ~ null Null NULL nULL
.nan .NaN .NAN .inf .Inf .INF +.inf -.inf -.INF Infinity NaN nan inf 0 00 01 07 08 0o17 0O17 0o18 017 0777 0o777 0x1F
0X1f 0xG 0b11 0B11 0b12 -0b11 0b-11 0b+1 -0b-1 0x-1 0b 0x 0o 00x1 1_000 _1 1_ 1__0 0x_1 5_0.5 ._5 .5_0 .5__0 1e3_0
1_e3 1,000 1'000 +12 -12 +0x1 -017 +-1 1e3 1E5 1.e2 1234e56 1e400 -1e400 1e-400 1. .5 .5e3 +.5 -.5 .e1 1.2.3 1.10 1.0
0e0 1e 1e+ 09.5 08912345 089 12e03 1d 1L 12:30:45 1:30 190:20:30.15 2020-01-01 2020-1-1 2020-13-45
2020-01-01T10:00:00Z 2020 1-2 = << - -- + . .. ... 9223372036854775807 9223372036854775808 18446744073709551615
18446744073709551616 -9223372036854775808 -9223372036854775809 0xffffffffffffffff 0xfffffffffffffffff
01777777777777777777777 1.7976931348623157e308 1.8e308 4.9e-324 123456789012345678901234567890 \uff11 ٣ <<x =x é
"""
WORDS: Final = IN_ROWS.split()
TAGS: Final = ("", "!!str ", "!!int ", "!!float ", "!!bool ", "!!null ", "!!timestamp ", "! ", "!own ", "!!set ")

DOCUMENTS: Final = (
    # Separators, ends, empty documents.
    "@---\n@", "---\n@", "--- ## c\n@", "---\t## c\n@", "--- x\n@", "---x\n@", "@--- {a: 1}\n", "@---\n---\n---\n@", "@...\n@",
    "@...\n---\n@", "%YAML 1.1\n@", "## c\n---\n@", "## c\n\n@", "@---", "@\n---\n\n", "null\n---\n@", "", "\n", "## c", "---", "---\n---\n",
    "\t", " ", "@a: |\n  ---\n  b\n", '@a: "x\n---\ny"\n', "@x: [\n",
    # Byte order marks, line ends, tabs.
    f"{MARK}@", f"@---\n{MARK}@", f"{MARK}---\n@", f"@{MARK}---\n@", f"@---\n{MARK}\n@", f"@---\n{MARK}## c\n@", MARK, f"{MARK}\n",
    "@a: |\r\n  x\r\n  y\r\n", '@a: "x\r\n  y"\r\n', "@a:\tb\n", "@a: b\t\n", "@\ta: b\n", "@a:\n\tb: 1\n", "@a:\n  - b\n\t- c\n",
    "@a: {b:\t1}\n", "@a: b\t## c\n", "@a: [b,\n\tc]\n", "@a:\n- b\n-\tc\n", "@a: b\n\t\n",
    # Equal keys, merge keys, anchors.
    "@a: 1\na: 2\n", '@a: {b: 1, b: 2, "b": 3}\n', "@a: {<<: {b: 1}, b: 2}\n", "@a: {b: 2, <<: {b: 1}}\n",
    "@a: {<<: [{b: 1}, {b: 2, c: 3}], c: 4}\n", "@a: {b: 0, <<: [{b: 1}, {b: 2, c: 3}]}\n", "@a: {<<: 1}\n", "@a: {<<: }\n",
    "@a: {<<: [1]}\n", "@x: &x [{b: 1}]\na: {<<: *x}\n", "@x: &x {b: 1}\na: {<<: *x, <<: {c: 2}}\n",
    "@x: &x {b: 1}\na: {<<: [*x, {b: 2}]}\n", '@a: {"<<": {b: 1}}\n', "@a: {!!merge <<: {b: 1}}\n", "@a: [<<]\n", "@a: {b: {<<: {c: 1}}}\n",
    "@a: &a {b: 1}\nc: *a\n", "@a: &a b\n*a : c\n", "@a: &a 1\n*a : c\n", "@a: &a b\nc: &a d\ne: *a\n", "@a: *a\n", "@a: &a [*a]\n",
    "@a: &a {b: *a}\n", "@a: &a\nb: *a\n", "@x: &x 1\n---\n@y: *x\n",
    # Keys that are not strings, flow style, quotes, tags.
    "@a: {? [1] : 2}\n", "@a: {{b: 1}: 2}\n", "@~: 1\n", "@? a\n: b\n", "@? a\n", "@a: {b, c: , d}\n", "@a: {b: 1,}\n", "@a: [1,,2]\n",
    "@a: [a: 1, b]\n", "@a: {b:1}\n", '@a: {"b":1}\n', "@a: [http://x:80/y]\n", "@a: {b: c: d}\n", "@a: b: c\n", "@a: - b\n",
    "@a:\n- - 1\n  - 2\n", "@a: x##c\n", "@a: `x`\n", "@a: %x\n", "@a: *\n", "@a: |\n", "@a: >\n  x\n  y\n\n  z\n",
    "@a: |+\n  x\n\n", "@a: |-\n  x\n\n", "@a: |2\n   x\n", '@a: "\\x41\\u0041\\e\\N"\n', '@a: "\\ud83d"\n', '@a: "\\q"\n',
    "@a: 'it''s'\n", '@a: "x\n', "@a: {\n", "@a: ]\n", "@a: x\n b\n", "@a: x\n b: c\n", "@a:\n    b: 1\n  c: 2\n", "@ a: 1\n",
    "@a: \x01\n", '@a: "\x7f"\n', '@a: "\x85"\n', "@a: x\u2028y\n", "@a: \ufffe\n", "@a: \U0001f600\n", "@a: \xa0b\n",
    "@a: !!set {b, c}\n", "@a: !!omap [b: 1]\n", "@a: !Ref b\n", "@a: !Sub [b]\n", "@a: !!python/name:os.system x\n",
    "@a: !!python/object/apply:os.system [x]\n", "@a: !!str [1]\n", "@a: !!str\n", "@a: !!binary aGk=\n", "@a: !!binary x\n",
    # JSON: one value, several values, with comments, and followed by YAML.
    "#}", "#}#}", "#}\n#}\n", "#}\n---\n#}\n", "#}\n---\n@", "@---\n#}\n", '#, "a": 1, "a": 2}', '#, // c\n"a": 1}', '#, ## c\n"a": 1}',
    "## c\n#}", "// c\n#}", "/* c */#}", '#, /* c */ "a": 1}', '#, "a": 1 // c\n}', '#, "a": "b" // c\n}', '#, "a": 1, }', '#, "a": [1,], }',
    "#, 'a': 'b'}", "#, a: b}", '#, "a": NaN}', '#, "a": Infinity}', '#, "a": 1e400}', '#, "a": 01}', '#, "a": .5}', '#, "a": "x\ty"}',
    '#, "a": "x\ny"}', '#, "a": "\\ud83d"}', '#, "a": "\\ud83d\\ude00"}', '#, "a": "\\u12"}', '#, "a": True}', '#, "a": y}',
    "\t#}", "\n\n#}", "\xa0#}", f"{MARK}#}}", "#} x", "#}\nx", "#}\n#}\nx", "#}\n#}\n---\n#}", "#}\n## c\n", "#}  \n@", "#}@", "#},#}",
    "[#}]", "[]", "#}\n[]\n", "#}\n1\n", "{}\n---\n@", "1\n---\n@", "@---\n1\n", f"#}}\n{MARK}#}}", " " * 5000 + "#}#}", "{", "{}", '{"a"}',
    '#, "a": {"b": 1}', '#, "a": "' + "x" * 5000 + '"}#}',
    # Ends of documents, and the different handling of question marks.
    "@a: |\n  text\n---\n@b: |+\n  text\n\n---\n@c: >\n  text", "@a: [b?]\n", "@a: [b?c, d]\n", "@a: {b?: c}\n", "@a: {b: c?d}\n", "@a: b?\n",
    "@a: [http://x/?y=z]\n", '@a: ["b?"]\n', "@a:\n- b?\n", '#, "a": "b?"}',
    # Templates.
    "{{- if .x }}\n@{{- end }}\n", "@a: {{ .x }}\n", '@a: "{{ .x }}"\n', "@a: b-{{ .x }}\n", "@a: ${X}\n", "@a: [${X}]\n", "{% if x %}\n@",
)  # fmt: skip
# The documents that are changed at random, and the inserted texts: all of YAML's syntax except tags, in which the parsers differ.
GROUND: Final = (
    "@a:\n  b: 1\n  c:\n  - x\n  - y: z\nd: {e: f, g: [1, 2]}\n", "@a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 'q'\n",
    "@a: |\n  text\n  more\nb: >-\n  fold\n  ed\n", '@a: "q\\n"\nb: ## c\n  - 1\n  -\n    x: y\n---\n@z: 1\n',
    '#, "a": {"b": [1, 2, "x"], "c": null}}\n#, "d": 1}\n', "@? a\n: b\nc: ~\n",
)  # fmt: skip
PIECES: Final = (
    *"abc:-{}[],&*|>'\"%`?~ \n\t0123.", "##", "\n  ", "\n- ", ": ", "- ", "---\n", "...\n", "\r\n", "<<: ", "&a ", "*a ", "{{ ", "}} ",
)  # fmt: skip
# libyaml refuses a plain value that ends with a colon before a bracket; kubectl's parser does not (docs/check.md).
DIFFERS: Final = "a colon inside brackets"
ENCODED: Final = ("@a: é\n", "@---\n@", "#}", '@a: "é"\n')
ENCODINGS: Final = (
    ("utf-16-le", b"\xff\xfe"),
    ("utf-16-be", b"\xfe\xff"),
    ("utf-16-le", b""),
    ("utf-16-be", b""),
    ("utf-8", b"\xef\xbb\xbf"),
    ("latin-1", b""),
    ("utf-32-le", b"\xff\xfe\x00\x00"),
)


def compared(tools: Tools, folder: Path, templates: Sequence[str | tuple[str, str, bytes]]) -> Iterator[str]:
    """Yield each case with another result than kubectl's; one call of kubectl reads all cases."""
    whole = [(one, "utf-8", b"") if isinstance(one, str) else one for one in templates]
    cases = [
        mark + filled(template, number).encode(encoding, "surrogatepass")
        for number, (template, encoding, mark) in enumerate(whole)
    ]
    for case, theirs in zip(cases, read_all(tools.kubectl, folder, cases), strict=True):
        objects, complaint = ours(case)
        same = bool(complaint) == bool(theirs.complaint) and alike(objects[: len(theirs.objects)], theirs.objects)
        if not same or (not theirs.complaint and len(objects) != len(theirs.objects)):
            yield f"{case!r}\n  kubectl: {theirs}\n  catflap: {Read(tuple(objects), complaint)}"


def filled(template: str, number: int) -> str:
    """Return a case: `@` is the beginning of an object, `#` that of an object in JSON, and `##` a number sign."""
    text = template.replace("##", "\0").replace("#", JSON_HEAD).replace("@", HEAD).replace("\0", "#")
    return text.replace(NUMBER, f"case-{number}")


def ours(case: bytes) -> tuple[list[Any], str]:
    """Return the objects that catflap reads, and its first error; a value that is not an object counts as an error."""
    try:
        found = list(located_objects(decode_text(case)))
    except BadTextError as bad:
        return [], str(bad)
    objects, complaints = [], []
    for one in found:
        if isinstance(one, BadManifestError):
            complaints.append(str(one))
        elif isinstance(one.value, dict) and one.value.get("kind"):
            objects.append(one.value)
        else:
            complaints.append(f"no object: {one.value!r}")
    return objects, "; ".join(complaints)


def alike(ours: Any, theirs: Any) -> bool:
    """Return whether two values are equal as JSON: integers and floats are numbers, and a boolean is not a number."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(alike(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        return len(ours) == len(theirs) and all(map(alike, ours, theirs))
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return float(ours) == float(theirs)
    return type(ours) is type(theirs) and bool(ours == theirs)


def test_scalars(tools: Tools, tmp_path: Path) -> None:
    """Each word is tried as a value under each tag, in quotes, in a list, and as a key."""
    values = [f"{tag}{word}" for tag, word in product(TAGS, WORDS)] + [f'"{word}"' for word in WORDS]
    cases = [f"@value: {value}\n" for value in values]
    cases += [f"@value: [{word}]\n" for word in WORDS] + [f"@value:\n  {word}: x\n" for word in WORDS]
    assert list(compared(tools, tmp_path, cases)) == []


def test_scalars_made_at_random(tools: Tools, tmp_path: Path) -> None:
    """Texts of the characters that numbers, booleans and times are made of, as values and as keys."""
    source = random.Random(SEED)
    texts = {"".join(source.choices("0123456789_.+-eExXoObBaAfFnNyY:~=", k=source.randint(1, 7))) for _ in range(1_500)}
    plain = [text for text in sorted(texts) if not (text.endswith(":") or text in {"-", "~"} or text.startswith("---"))]
    cases = [f"@value: {text}\n" for text in plain] + [f"@value: {{? {text} : x}}\n" for text in plain]
    assert list(compared(tools, tmp_path, cases)) == []


def test_documents(tools: Tools, tmp_path: Path) -> None:
    """Separators, byte order marks, anchors, merge keys, JSON and its comments, templates, encodings."""
    windows = [one.replace("\n", "\r\n") for one in ("@", "@---\n@", "@a:\n- b\n", "#}\n#}\n")]
    in_encodings = [(body, name, mark) for body, (name, mark) in product(ENCODED, ENCODINGS)]
    assert list(compared(tools, tmp_path, [*DOCUMENTS, *windows, *in_encodings])) == []


def test_nested_values_made_at_random(tools: Tools, tmp_path: Path) -> None:
    """Lists, mappings, anchors, aliases and merge keys in flow style."""
    source = random.Random(SEED)
    cases = [f"@value: {nested(source, 4, [])}\n" for _ in range(1_000)]
    assert list(compared(tools, tmp_path, cases)) == []


def nested(source: random.Random, depth: int, anchors: list[str]) -> str:
    """Return a YAML value in flow style; `anchors` are those before it."""
    anchor = ""
    if source.random() < 0.2:
        anchor = f"&a{len(anchors)} "
    shape = source.random()
    if anchors and shape < 0.15:
        return f"*{source.choice(anchors)} "
    if depth == 0 or shape < 0.4:
        text = source.choice(["1", "yes", "x", "~", "1.5", '"q"', "0x1F", "off", "12e3"])
    elif shape < 0.6:
        text = f"[{', '.join(nested(source, depth - 1, anchors) for _ in range(source.randint(0, 3)))}]"
    else:
        keys = [source.choice(["a", "b", "c", "1", "on", "<<", "<<", "1.5"]) for _ in range(source.randint(0, 4))]
        text = f"{{{', '.join(f'{key}: {nested(source, depth - 1, anchors)}' for key in keys)}}}"
    if anchor:
        anchors.append(anchor[1:-1])
    return f"{anchor}{text}"


def test_documents_changed_at_random(tools: Tools, tmp_path: Path) -> None:
    """Valid documents have one to three changes, most of which make them invalid."""
    source = random.Random(SEED)
    cases = [changed(source, source.choice(GROUND)) for _ in range(2_000)]
    assert [one for one in compared(tools, tmp_path, cases) if DIFFERS not in one] == []


def changed(source: random.Random, text: str) -> str:
    """Return a document in which characters are inserted, deleted or replaced, except in the beginnings of objects."""
    for _ in range(source.randint(1, 3)):
        position = source.randrange(1, len(text) + 1)
        connection = source.random()
        stays = text[position : position + 1] in {"@", "#"}
        left_out = 0 if connection < 0.6 or stays else 1
        put_in = "" if 0.6 <= connection < 0.8 else source.choice(PIECES)
        text = f"{text[:position]}{put_in}{text[position + left_out :]}"
    return text
