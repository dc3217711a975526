"""Patterns of label values: what both engines read alike is taken, and of the rest is said where it begins."""

import pytest
from pydantic import ValidationError

from webhook.model.label_pattern import size
from webhook.model.workload_labels import LabelRequirement


@pytest.mark.parametrize(
    ("matches", "admitted", "refused"),
    [
        pytest.param("[a-z][a-z-]*", "team-a", "9", id="a hyphen at the end of a class"),
        pytest.param(r"[-.\w]+", "a-b.c_d", "", id="and at its beginning"),
        pytest.param(r"v\d+\.\d+(?:-rc\d)?", "v1.2-rc3", "v1x2", id="a group that catches nothing"),
        pytest.param("(?i)team-(blue|red)", "Team-RED", "team-", id="in any letter case"),
        pytest.param("^(a|b)$|c{2,3}", "ccc", "c", id="anchors that say it again"),
        pytest.param("[^a-z]{1000}", "A" * 1000, "A" * 999, id="as many copies as there may be"),
        pytest.param("(?:a{0,100}?b){0,10}", "aabab", "aa", id="or as many by two counts"),
        pytest.param("a" * 1000, "a" * 1000, "a", id="as long as it may be"),
        pytest.param(r"a/\/ \#", "a// #", "a", id="marks that no label value has"),
    ],
)
def test_what_both_engines_read_alike_is_taken(matches: str, admitted: str, refused: str) -> None:
    """And means that."""
    required = LabelRequirement(label="team", matches=matches)
    assert required.admits(admitted)
    assert not required.admits(refused)


@pytest.mark.parametrize(
    ("matches", "says"),
    [
        pytest.param("x[a-z&&[^x]]", "'[a-z&&[^x]]' has another meaning in the API server; use only", id="a cut class"),
        pytest.param("[a--b]", "'[a--b]' has another meaning", id="a class less another"),
        pytest.param("[[:alpha:]]", "'[[:alpha:]]' has another meaning", id="a class by its name"),
        pytest.param("[]a]", "'[]a]' has another meaning", id="a bracket that ends no class"),
        pytest.param(r"a\u0061", r"'\\u0061' has another meaning", id="a character by its number"),
        pytest.param(r"\pL", r"'\\pL' has another meaning", id="characters by what they are"),
        pytest.param(r"a\b", r"'\\b' has another meaning", id="the end of a word"),
        pytest.param(r"\<a", r"'\\<a' has another meaning", id="its beginning"),
        pytest.param("(?x)a b", "'(?x)a b' has another meaning", id="a flag"),
        pytest.param("a(?i)b", "'(?i)b' has another meaning", id="letter case by half"),
        pytest.param("(?P<n>a)", "'(?P<n>a)' has another meaning", id="a group with a name"),
        pytest.param("a{2}{3}", "'{3}' has another meaning", id="a count of a count"),
        pytest.param("a+*", "'*' has another meaning", id="a repetition of one"),
        pytest.param("(^*|b)", "'*|b)' has another meaning", id="a beginning again and again"),
        pytest.param("a{01}", "'{01}' has another meaning", id="a nought before a count"),
        pytest.param("é", "'é' has another meaning", id="a letter that no label value has"),
        pytest.param(
            "[a-z]{1,1200}",
            "'[a-z]{1,1200}' makes 1200 copies of one part, and the limit is 1000",
            id="too high a count",
        ),
        pytest.param("((a{10,}){10}b){11}", "makes 1100 copies of one part", id="counts of counts"),
    ],
)
def test_what_they_may_read_otherwise_is_refused(matches: str, says: str) -> None:
    """Though it is a pattern to the engine that runs here."""
    assert LabelRequirement.model_construct(label="team", one_of=None, matches=matches).admits("") in {True, False}
    with pytest.raises(ValidationError) as bad:
        LabelRequirement(label="team", matches=matches)
    [error] = bad.value.errors()
    assert error["msg"].startswith("Value error, matches: ")
    assert says in error["msg"]


def test_a_pattern_has_at_most_a_thousand_characters() -> None:
    """As the schema says."""
    with pytest.raises(ValidationError, match="should have at most 1000 characters"):
        LabelRequirement(label="team", matches="a" * 1001)


@pytest.mark.parametrize(
    ("pattern", "large"),
    [
        ("", 0),
        ("abc", 3),
        ("a{3}", 3),
        ("a{2,4}b{2,}", 6),
        ("((a{2}b){3}c){4}", 40),
        ("(a|b)*c+{3}", 6),
        ("[a-z]{1,63}-[^]x]{2}[", 67),
        (r"\(a\)\{3\}", 6),
        (r"\w{63}", 6300),
        (r"[-.\w]{2}\\w", 202),
        ("a{x}", 4),
        ("))((a", 1),
    ],
)
def test_a_patterns_size_is_that_of_what_it_repeats_written_out(pattern: str, large: int) -> None:
    """Whether or not it is one."""
    assert size(pattern) == large


def test_classes_that_are_large_are_the_engines_own() -> None:
    """RE2 knows the letters of ASCII by w, and all there are by p."""
    assert size(r"\pL{3}\\pL\p{Greek}\w", "pP") == 501


@pytest.mark.parametrize("pattern", [r"\w{100,151}", r"(\d\s){76}", "(a{999}){16}"])
def test_what_an_engine_would_read_for_long_is_not_read(pattern: str) -> None:
    """A file has many patterns."""
    with pytest.raises(
        ValidationError,
        match=r"with expanded repetitions, the pattern has 1[0-9]{4} characters, and the limit is "
        r"15000",
    ):
        LabelRequirement(label="team", matches=pattern)
