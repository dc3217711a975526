"""Errors of an expression that runs are clear sentences, each with the advice for its cause."""

import re
from typing import Final

import pytest

from webhook.cel.library import EvaluationError, compile_expression

# Terms of the library.
FOREIGN: Final = re.compile(r"overload|SELECT|int64|Key not|index=|container type|_[^ ]_")
SPEC: Final = {"n": 3, "list": [1, 2], "none": None, "text": "abc"}
ABSENT: Final = "use has() or .? and orValue() for fields that can be absent"
NULL: Final = "test the value first, such as x != null"
TYPE: Final = "test the type first, such as type(x) == string"
TEXT: Final = "test the text first with matches()"


@pytest.mark.parametrize(
    ("expression", "said", "remedy"),
    [
        ("object.spec.missing == 1", 'the field "missing" is absent', ABSENT),
        ("object.spec['a b'] == 1", 'the field "a b" is absent', ABSENT),
        ("oldObject.spec.n == 1", "it reads a field of null, or of a value that has no fields", NULL),
        ("object.spec.none.x == 1", "it reads a field of null, or of a value that has no fields", NULL),
        ("object.spec.n / 0 == 1", "it divides by zero", "test first that the divisor is not 0"),
        ("object.spec.n % 0 == 1", "it divides by zero", "test first that the divisor is not 0"),
        ("object.spec.list[2] == 1", "it takes item 2 of a list that has 2 (the first is item 0)", "test size() first"),
        ("object.spec.list['a'] == 1", "it takes an item of a list by a string, and not by a number", TYPE),
        ("object.spec.text[0] == 'a'", "it takes an item of a string, which has no items", TYPE),
        ("object.spec.n > object.spec.list", "the operator > does not take values of these types: int, list", TYPE),
        ("!object.spec.text", "the operator ! does not take a value of this type", TYPE),
        ("object.spec.text.startsWith(object.spec.n)", "startsWith() does not take values of these types: string, int", TYPE),
        ("object.spec.list.exists_one(x, x)", "a condition of a loop or of ?: is neither true nor false", TYPE),
        ("int(object.spec.text) == 1", "a string is not a valid int", TEXT),
        ("duration(object.spec.text) > duration('1h')", "a string is not a valid duration", TEXT),
        ("object.spec.text.substring(9) == ''", "substring() reads beyond the end of a string", "test size() first"),
        ("9223372036854775807 + object.spec.n > 1", "a number has more than 64 bits", ""),
    ],
)  # fmt: skip
def test_an_error_of_a_run_has_its_own_advice(expression: str, said: str, remedy: str) -> None:
    """The advice about absent fields does not help an author who divides by zero."""
    with pytest.raises(EvaluationError) as bad:
        compile_expression(expression).run({"object": {"spec": SPEC}})
    assert (str(bad.value), bad.value.remedy) == (said, remedy)
    assert not FOREIGN.search(str(bad.value))
