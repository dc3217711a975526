"""Check that every complaint of libyaml and of PyYAML's own parser has a plain sentence."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
import yaml._yaml
import yaml.parser
import yaml.scanner

from webhook.config.reading import read
from webhook.syntax.documents import BadManifestError, located_objects
from webhook.syntax.yaml_composer import BadYamlError, compose
from webhook.syntax.yaml_errors import UNKNOWN, WORDS, explain

TAB: Final = "YAML does not allow a tab here"
NO_ALIAS: Final = (
    "* starts an alias, whose name can have only letters, digits, - and _; if this is text, write it in quotes"
)
NO_ANCHOR: Final = "& starts an anchor, whose name can have"
DIRECTIVE: Final = "the parser cannot use this line with % (%YAML, %TAG)"
NO_TAG: Final = "is an unknown tag; remove it"
ESCAPE: Final = "unknown escape sequence in double quotes"
BLOCK: Final = "text after | or >; start the text on the next line"
CONFLICT: Final = "an unresolved merge conflict of git"
# A text, the place of the fault, and the sentence. Both parsers give the same answer, except for texts that one of them
# accepts.
CASES: Final = (
    ("a:\n\tb: 1\n", (2, 1), TAB),
    ("a: 1\n\tb: 1\n", (2, 1), TAB),
    ("a:\n  b: 1\n\tc: 2\n", (3, 1), TAB),
    ("a:\n  b:\n  \tc: 1\n", (3, 3), TAB),
    ("a:\n  -\tb: 1\n", (2, 4), TAB),
    ("a: |\n  x\n\ty\n", (3, 1), TAB),
    ("a: |\n\tx\n", (2, 1), TAB),
    ("a: @b\n", (1, 4), "a value cannot start with @; write it in quotes"),
    ("a: `b`\n", (1, 4), "a value cannot start with `; write it in quotes"),
    ("a: %b\n", (1, 4), "a value cannot start with %; write it in quotes"),
    ("a: |b\n", (1, 5), BLOCK),
    ("a: >b\n", (1, 5), BLOCK),
    ("a: |0\n  b\n", (1, 5), BLOCK),
    ("a: |12\n  b\n", (1, 6), BLOCK),
    ("a: [,]\n", (1, 5), "expected a value before ,; if this is text, write it in quotes"),
    ("a: }\n", (1, 4), "expected a value before }"),
    ("a: b: c\n", (1, 5), "a second ': ' in one line; write the value in quotes"),
    ("a: 1\n  b: 2\n", (2, 4), "this line has more indentation than line 1, which has a value already"),
    ("a: 1\n\n# c\n  b: 2\n", (4, 3), "this line does not belong to the mapping of line 1"),
    ("a:\n    b: 1\n  c: 2\n", (3, 3), ("this line does not belong to the mapping of line 1; keys of one mapping "
                                       "start in the same column")),
    ("a: |\n      b\n   c\nd: 1\n", (3, 4), "this line does not belong to the mapping of line 1"),
    ("a: 'b' c\n", (1, 8), ("text after the closing quote; write the whole value in quotes, and write a quote "
                           "inside it as ''")),
    ('a: "b" c\n', (1, 8), ('text after the closing quote; write the whole value in quotes, and write a quote '
                           'inside it as \\"')),
    ("a: [b] c\n", (1, 8), "text after the end of a value"),
    ("a: b\nc\nd: e\n", (2, 1), "this line has no colon after its key; write key: value"),
    ("a:\u00a0b\nc: d\n", (1, 1), "the character after the : is U+00A0 (no-break space); replace it with a space"),
    ("a:\n-\u3000b\n", (2, 1), "the character after the - is U+3000 (ideographic space); replace it with a space"),
    ("a: [b, :c]\n", (1, 8), "expected a value here instead of :"),
    ("a: b\nc\n", (2, 1), "this line has no colon after its key; write key: value"),
    ("a:1\nb: 2\n", (1, 1), "the space after the colon is missing; write key: value"),
    ("a: 1\nb:2\n", (2, 1), "the space after the colon is missing; write key: value"),
    ("a:\n  -b\n  -c: 1\n", (2, 3), "the space after the - of a list item is missing; write - value"),
    (f"a: 1\n{'x' * 1100}: 2\n", (2, 1), "the first 1024 characters of this line contain no colon"),
    ("a: [b\nc: 1\n", (2, 2), "expected , or ] here; the [ of line 1 is not closed"),
    ("a: [b\n", (1, 6), "expected , or ] here; the [ of line 1 is not closed"),
    ("a: [b}\n", (1, 6), "expected , or ] here; the [ of line 1 is not closed"),
    ("a: {b: 1\nc: 2\n", (2, 2), "expected , or } here; the { of line 1 is not closed"),
    ("a: {b: 1 c: 2}\n", (1, 11), "expected , or } here; the { of line 1 is not closed"),
    ("a: [b]]\n", (1, 7), "an extra ]; no [ is open here"),
    ("a: 'b\n", (1, 4), "this quote is not closed"),
    ('a: "b\nc: 1\n', (1, 4), "this quote is not closed"),
    ("a: 'b\n--- c\n", (1, 4), "this quote is not closed"),
    ("a: - b\n", (1, 4), "a list item cannot start here; start a new line with '- '"),
    ("a: 1\n- b\n", (2, 1), "a list item is between the keys of the mapping of line 1"),
    ("- a\nb: 1\n", (2, 1), "this line does not belong to the list of line 1"),
    ("a: ? b\n", (1, 4), "a value cannot start with '? '; write it in quotes"),
    ("a: 1\n: b\n", (2, 1), "the key before the colon is missing"),
    ("a: &\n", (1, 5), NO_ANCHOR),
    ("a: &a!b c\n", (1, 6), NO_ANCHOR),
    ("a: &x &y b\n", (1, 7), "a second anchor before one value; if this is text, write it in quotes"),
    ("a: *\n", (1, 5), NO_ALIAS),
    ("a: *.yaml\n", (1, 5), NO_ALIAS),
    ("**a**: b\n", (1, 2), NO_ALIAS),
    ("a: !<b c\n", (1, 4), f"!<b {NO_TAG}"),
    ("a: !x!y b\n", (1, 4), f"!x!y {NO_TAG}"),
    ("a: !<%zz> b\n", (1, 4), f"!<%zz> {NO_TAG}"),
    ("a: !!str !!int 1\n", (1, 10), "a second tag before one value"),
    ("%YAML 2.0\n---\na: 1\n", (1, 1), DIRECTIVE),
    ("%YAML x\n---\na: 1\n", (1, 7), DIRECTIVE),
    ("%YAML 1.1 x\n---\na: 1\n", (1, 11), DIRECTIVE),
    ("%YAML 1.1\n%YAML 1.1\n---\na: 1\n", (2, 1), DIRECTIVE),
    ("%TAG !a! b\n%TAG !a! b\n---\na: 1\n", (2, 1), DIRECTIVE),
    ("%TAG x y\n---\na: 1\n", (1, 6), DIRECTIVE),
    ("%TAG !a!\n---\na: 1\n", (1, 9), DIRECTIVE),
    ("% a\n---\na: 1\n", (1, 2), DIRECTIVE),
    ("a: 1\n... b\n", (2, 5), "text after the end of the document; start the next document with ---"),
    ("%YAML 1.1\na: 1\n", (1, 1), "the line with % (%YAML, %TAG) has no --- after it"),
    ('a: "\\xzz"\n', (1, 7), ESCAPE),
    ("a: \0\n", (1, 4), "U+0000 cannot be part of the text; remove it"),
    ("a: 1\nb: \x07\n", (2, 4), "U+0007 cannot be part of the text; remove it"),
    ("a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> x\n", (2, 1), CONFLICT),
)  # fmt: skip
# Faults that only libyaml finds, or that it finds at another place.
OF_LIBYAML: Final = (
    ('a: "\\d"\n', (1, 5), ESCAPE),
    ('a: "\\ud800"\n', (1, 7), "\\ud800 to \\udfff are halves of a surrogate pair"),
    ("%FOO\n---\na: 1\n", (1, 5), DIRECTIVE),
    ("%YAML 1.99999999999999\n---\na\n", (1, 18), DIRECTIVE),
    ("a: !!str, b\n", (1, 4), f"!!str, {NO_TAG}"),
    ("a: 1\n\ufeffb: 2\n", (2, 1), "U+FEFF (a byte order mark) cannot be part of the text"),
    ("a:\n\ufeff  b: 1\n    c: 2\n", (2, 1), "U+FEFF (a byte order mark) cannot be part of the text"),
)
# Texts at which a manifest is split before it is parsed, or that make a policy file a template.
SEPARATE: Final = re.compile(r"---|\.\.\.|<%")
PARSERS: Final = [pytest.param(yaml.CSafeLoader, id="libyaml"), pytest.param(yaml.SafeLoader, id="Python")]
# The messages of libyaml for other uses: bytes, its emitter, its own composer; and texts in PyYAML's binding.
NOT_FOR_A_TEXT: Final = re.compile(
    r"UTF-|octet|surrogate|duplicate anchor|undefined alias|stream-start|input error|input is too long|invalid (?:event|vtable|Unicode)"
)


def explain_error(text: str, parser: Any) -> tuple[str, tuple[int, int]]:
    """Return the sentence about a text, and its place."""
    with pytest.raises(yaml.YAMLError) as bad:
        list(yaml.parse(text, parser))
    found = explain(bad.value, text)
    return found.says, (found.line, found.column)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(("text", "place", "says"), CASES)
def test_yaml_error_has_a_message_and_its_place(text: str, place: tuple[int, int], says: str, parser: Any) -> None:
    """Both parsers have the same sentence and place."""
    told, at = explain_error(text, parser)
    assert says in told
    assert at == place


@pytest.mark.parametrize(("text", "place", "says"), OF_LIBYAML)
def test_error_of_libyaml_alone_has_a_message(text: str, place: tuple[int, int], says: str) -> None:
    """PyYAML's own parser accepts some of these texts."""
    told, at = explain_error(text, yaml.CSafeLoader)
    assert says in told
    assert at == place


@pytest.mark.parametrize(
    ("text", "place", "says"), [one for one in (*CASES, *OF_LIBYAML) if not SEPARATE.search(one[0])]
)
def test_a_manifest_and_a_policy_file_are_answered_in_the_same_words(
    text: str, place: tuple[int, int], says: str
) -> None:
    """Both messages have the same place."""
    with pytest.raises(BadYamlError) as bad:
        compose(text)
    [fault] = [one for one in read(text).faults if one.message.startswith("not YAML: ")]
    assert says in str(bad.value)
    assert says in fault.message
    assert fault.place == place
    assert bad.value.place == (*place, None)


def test_a_line_in_a_message_is_a_line_of_the_file() -> None:
    """The number does not count from the beginning of the document."""
    [_, bad] = located_objects("a: 1\n---\nb: [c\nd: 1\n")
    assert isinstance(bad, BadManifestError)
    assert str(bad) == "not YAML: expected , or ] here; the [ of line 3 is not closed"
    assert bad.place == (4, 2, None)


def sentences_of_python() -> set[str]:
    """Return the problems in the source of PyYAML's own scanner and parser."""
    found = set()
    for module in (yaml.scanner, yaml.parser):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                context, problem = node.exc.args[0], node.exc.args[2]
                texts = [
                    next(
                        (
                            one.value
                            for one in ast.walk(part)
                            if isinstance(one, ast.Constant) and isinstance(one.value, str)
                        ),
                        "",
                    )
                    for part in (problem, context)
                ]
                found.add(", ".join(texts))
    return {one for one in found if not one.startswith(", ")}  # its problem is the text of an exception


def sentences_of_libyaml() -> set[str]:
    """Return the problems in libyaml's binary, which is part of PyYAML."""
    binary = Path(yaml._yaml.__file__).read_bytes()
    found = re.findall(
        rb"(?:found|did not find|could not find|block sequence entries|mapping (?:keys|values)|duplicate %)[ -~]{6,80}\0",
        binary,
    )
    return {one[:-1].decode() for one in found if not re.search(rb"%\.|_|another document|imported type", one)}


@pytest.mark.parametrize("problem", sorted(sentences_of_python() | sentences_of_libyaml()))
def test_every_sentence_of_the_parsers_is_translated(problem: str) -> None:
    """If a new version of a parser has another sentence, this test fails before a user sees it."""
    assert any(pattern.search(problem) for pattern, _ in WORDS) or NOT_FOR_A_TEXT.search(problem)


def test_the_sentences_of_both_parsers_are_found() -> None:
    """Otherwise the test above would check nothing."""
    assert len(sentences_of_python()) > 30
    assert len(sentences_of_libyaml()) > 30


def test_an_unknown_sentence_is_never_passed_on() -> None:
    """This also applies to sentences of later versions."""
    bad = yaml.MarkedYAMLError(problem="did not expect the inquisition", context="while parsing Spain")
    assert explain(bad, "a: 1").says == UNKNOWN
