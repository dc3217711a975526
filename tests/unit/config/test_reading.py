"""Check which values a policy file can contain, and which texts it refuses."""

from typing import Any, Final

import pytest
import yaml

from webhook.config import reading
from webhook.config.places import Place
from webhook.config.reading import DEEPEST, MOST_NODES, PARSER, read
from webhook.syntax.yaml_errors import INCOMPLETE_CHARACTER

# catflap uses Python's own parser if libyaml is missing.
PARSERS: Final = [PARSER, yaml.SafeLoader]


@pytest.fixture(params=PARSERS, ids=["libyaml", "Python"])
def _either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with each parser that may read a file."""
    monkeypatch.setattr(reading, "PARSER", request.param)


def said(text: str) -> Any:
    """Return the content of a sound text."""
    found = read(text)
    assert found.faults == ()
    return found.content


def complaints(text: str) -> list[tuple[str, str, Place | None]]:
    """Return the path, the message and the place of each fault."""
    return [(fault.path, fault.message, fault.place) for fault in read(text).faults]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("~", None),
        ("", None),
        ("Null", None),
        ("TRUE", True),
        ("false", False),
        ("yes", "yes"),
        ("off", "off"),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("0777", 777),
        ("0o17", 15),
        ("0xff", 255),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("9" * 101, "9" * 101),
        (".5", 0.5),
        ("1.", 1.0),
        ("-1e3", -1000.0),
        ("1.2.3", "1.2.3"),
        (".", "."),
        ("-", [None]),
        ("-.INF", float("-inf")),
        ("2027-01-31", "2027-01-31"),
        ("2027-02-30T00:00:00Z", "2027-02-30T00:00:00Z"),
        ("=", "="),
        ("<<", "<<"),
        ("'12'", "12"),
        ('"~"', "~"),
        ("! 12", "12"),
        ("!!str 12", "12"),
        ("!!str ''", ""),
        ("!!int 12", 12),
        ("!!float 12", 12.0),
        ("!!bool true", True),
        ("!!null ''", None),
        ("!!seq []", []),
        ("!!map {}", {}),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
@pytest.mark.usefixtures("_either_parser")
def test_words_are_those_of_yaml_1_2(word: str, value: Any) -> None:
    """The core schema applies; a date is text."""
    found = said(f"a: {word}" if word != "-" else "a:\n-")["a"]
    assert (type(found), found) == (type(value), value)


def test_no_number_is_no_number() -> None:
    """The model reports such a value where it expects a number."""
    assert said("a: .nan")["a"] != said("a: .nan")["a"]


@pytest.mark.usefixtures("_either_parser")
def test_a_mapping_may_be_merged_into_others() -> None:
    """Its own keys have priority, then the keys of the first merged mapping."""
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b]}\nd: {<<: *b, w: 4}\ne: {'<<': 5}\n"
    found = said(text)
    assert list(found["c"].items()) == [("z", 3), ("x", 1), ("y", 1)]
    assert found["d"] == {"w": 4, "y": 2, "z": 2}
    assert found["e"] == {"<<": 5}


@pytest.mark.usefixtures("_either_parser")
def test_each_value_at_fault_is_told_and_hides_no_other() -> None:
    """This applies to every kind of fault."""
    text = """\
a: !!int x
a: 2
b:
  - !!binary eA==
  - "\\0"
  - !!set {x}
1: y
? [z]
: {z: !!bool maybe}
~: 1
c: {<<: 5, d: *x, e: !!str [], x: !foo y}
"""
    assert complaints(text) == [
        (
            "a",
            ("!!int does not match the value; remove the tag: the notation of a value determines its type"),
            Place(1, 1),
        ),
        ("a", "duplicate key 'a'; remove one of the two", Place(2, 1)),
        (
            "b[0]",
            ("!!binary does not match the value; remove the tag: the notation of a value determines its type"),
            Place(4, 5),
        ),
        (
            "b[2]",
            ("!!set does not match the value; remove the tag: the notation of a value determines its type"),
            Place(6, 5),
        ),
        ("1", 'the key 1 is a number, and a key must be text; write it in quotes: "1"', Place(7, 1)),
        (
            "?.z",
            ("!!bool does not match the value; remove the tag: the notation of a value determines its type"),
            Place(9, 4),
        ),
        ("", "the key is a list, and a key must be text", Place(8, 3)),
        ("~", 'the key ~ is null, and a key must be text; write it in quotes: "~"', Place(10, 1)),
        ("c.<<", "the key << must merge a mapping or a list of mappings", Place(11, 5)),
        (
            "c.d",
            (
                "the alias *x refers to the anchor &x, which is not defined before it; if this is text, write it "
                "in quotes"
            ),
            Place(11, 12),
        ),
        (
            "c.e",
            ("!!str does not match the value; remove the tag: the notation of a value determines its type"),
            Place(11, 19),
        ),
        (
            "c.x",
            (
                "!foo starts with ! and is therefore a YAML tag; if it is part of the value, write the whole value in "
                "quotes"
            ),
            Place(11, 32),
        ),
    ]
    assert read(text).content == {"a": None, "b": [None, "\0", None], "c": {"d": None, "e": None, "x": None}}


@pytest.mark.usefixtures("_either_parser")
@pytest.mark.parametrize("value", ['"\\ud83d"', '"a\\udc00b"', '"\\ud83d\\ude00"'])
def test_half_a_character_is_no_text(value: str) -> None:
    """Such a text cannot be encoded."""
    [(path, message, _)] = complaints(f"a:\n  b: [x, {value}]\n")
    assert path == ("a.b" if reading.PARSER is PARSER else "a.b[1]")  # libyaml reads ahead
    assert message.endswith(INCOMPLETE_CHARACTER)


@pytest.mark.parametrize(
    ("text", "path", "says", "where"),
    [
        ("mode: [\n", "mode", "expected a value here", Place(1, 8)),
        ("mode: [", "mode", "expected a value here", Place(1, 8)),
        ("a: b: c", "", "a second ': ' in one line", Place(1, 5)),
        ("a: 1\nb: [1,\n  {c: 'x\n", "b", "this quote is not closed", Place(3, 7)),
        ("a:\n\t- b", "a", "YAML does not allow a tab here", Place(2, 1)),
        ("%YAML 1.3\n---\na: 1", "", "the parser cannot use this line with % (%YAML, %TAG)", Place(1, 1)),
        ("é: \x07", "", "U+0007 cannot be part of the text", Place(1, 4)),
    ],
)
def test_what_is_no_yaml_says_where(text: str, path: str, says: str, where: Place) -> None:
    """The place is where the parser stopped."""
    [(found, message, at)] = complaints(text)
    assert (found, at) == (path, where)
    assert message.startswith(f"not YAML: {says}")


@pytest.mark.usefixtures("_either_parser")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "*x : y",
            (
                "the alias *x refers to the anchor &x, which is not defined before it; if this is text, write "
                "it in quotes"
            ),
        ),
        ("a: {*x : y}", "the alias *x refers to the anchor &x, which is not defined before it"),
        ("a: &x 5\n*x : y", 'the key *x is a number, and a key must be text; write it in quotes: "*x"'),
        ("a: &x ~\n*x : y", 'the key *x is null, and a key must be text; write it in quotes: "*x"'),
        ("a: &x [b]\n*x : y", "the key is a list, and a key must be text"),
        ("? !!int [a]\n: b", "!!int does not match the value"),
        ("? !!str {a: b}\n: b", "!!str does not match the value"),
    ],
)
def test_a_key_that_is_no_word_is_told(text: str, says: str) -> None:
    """The message appears once for each key."""
    [(_, message, _)] = complaints(text)
    assert message.startswith(says)


def test_what_was_wrong_before_is_told_as_well() -> None:
    """Users can correct both together."""
    assert [one[0] for one in complaints("a: 1\na: 2\nb: [")] == ["a", "b"]


class TestBounds:
    """Test the size limits of a file."""

    def test_so_many_values_are_taken(self) -> None:
        """The limit includes a mapping, its key and a list; at one more value, reading ends."""
        items = ["x"] * (MOST_NODES - 3)
        assert len(said(f"a: [{','.join(items)}]")["a"]) == len(items)
        [(path, message, _)] = complaints(f"a: [{','.join(items)}, x, {{]")
        assert path == f"a[{len(items)}]"
        assert message.startswith(f"the file has more than {MOST_NODES} keys and values")

    @pytest.mark.parametrize("times", [10, 10_000, 300_000])
    def test_an_alias_counts_for_what_it_stands_for(self, times: int) -> None:
        """The limit applies to the written-out size, so a longer text takes no longer to refuse."""
        text = f"a: &a [{'x,' * 1000}]\nb: [{'*a,' * times}]"
        assert bool(read(text).faults) is (times > 49)

    def test_aliases_of_aliases_are_walked_once(self) -> None:
        """Written out, this would be a thousand million items."""
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
        [(path, _, where)] = complaints("\n".join(lines))
        assert (path[:3], where and where.line) == ("a4[", 5)

    def test_a_long_text_counts_as_several(self) -> None:
        """Aliases would multiply it."""
        assert said(f"a: &a {'x' * 100_000}\nb: [{'*a,' * 40}]")
        assert read(f"a: &a {'x' * 100_000}\nb: [{'*a,' * 60}]").faults

    @pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "a: {? "])
    def test_so_deep_and_no_deeper(self, opening: str) -> None:
        """Every reader can recurse to this depth; deeper values are not read."""
        [(_, message, _)] = complaints(opening * 100_000)
        assert message == f"the nesting is deeper than {DEEPEST} levels"
        assert not read("[" * DEEPEST + "]" * DEEPEST).faults

    def test_merging_again_and_again_is_counted(self) -> None:
        """Each merge would be a copy."""
        lines = [f"a0: &a0 {{{', '.join(f'k{n}: 1' for n in range(1000))}}}"]
        lines += [f"a{n}: &a{n} {{<<: *a{n - 1}}}" for n in range(1, 2000)]
        assert read("\n".join(lines)).faults
