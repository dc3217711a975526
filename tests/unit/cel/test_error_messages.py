"""Errors of an expression are clear sentences for users."""

import re
from typing import Final

import pytest

from webhook.cel.library import BadExpressionError, compile_expression

# Terms of the library, its parser generator and its checker.
FOREIGN: Final = re.compile(
    r"<EOF>|mismatched|extraneous|token recognition|overload|NUM_|[Ii]nvalid|IDENTIFIER|parsetree|_[^ ]_"
)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("object.spec.n >", "line 1, column 16 of the expression: the expression ends too early; expected a value"),
        ("", "the expression ends too early; expected a value"),
        ("has(object.spec", "the expression ends too early; expected )"),
        ("object['spec'", "the expression ends too early; expected ]"),
        ("{'a': 1", "the expression ends too early; expected } or ,"),
        ("true ? 1", "the expression ends too early; expected :"),
        ("object.all(c c.image)", "unexpected 'c'; expected )"),
        ("object.a = 'y'", "'=' is not an operator; use ==, <= or >="),
        ("object.a => 1", "'=>' is not an operator; use ==, <= or >="),
        ("true;", "';' is not valid in CEL"),
        ("object.a == 'x", "the quote of 'x is not closed"),
        ("true and true", "unexpected 'and'; CEL uses &&"),
        ("true or true", "unexpected 'or'; CEL uses ||"),
        ("not true", "unexpected 'true'; join two conditions with && or ||, and negate a condition with !"),
        ("objct.a == 1", "'objct.a' is not defined; did you mean 'object.a'?"),
        ("object.a == nil", "'nil' is not defined; CEL uses null"),
        ("object.a == True", "'True' is not defined; CEL uses true"),
        ("image != ''", "'image' is not defined"),
        ("if true", "'if' is a reserved word of CEL; write a choice as CONDITION ? VALUE : OTHER"),
        ("has(object)", "has() takes a field, such as has(object.spec)"),
        ("null + 1 == 2", "the operator + does not take values of these types: null, int"),
        ("!1", "the operator ! does not take values of these types: int"),
        ("size()", "size() cannot be called in this way"),
        ("object.!a", "unexpected '.!'"),
        ("object.a.all(c)", "all() takes a name and a condition, such as all(c, c.image != '')"),
        ("object.a.map(c) == []", "map() takes a name and a value, such as map(c, c.image)"),
        ("99999999999999999999 == 1", "the number is too large; a number has at most 64 bits"),
        ("r'\\' == 'a'", "the closing quote is missing"),
        ("'a'.matches('[')", "'[' is not a valid regular expression: a [ is not closed"),
        ("'a'.matches('*')", "'*' is not a valid regular expression: *, + or ? has nothing before it to repeat"),
        ("object.a", "the expression returns a value of any type (dyn) instead of true or false"),
    ],
)  # fmt: skip
def test_an_expression_is_answered_in_words(expression: str, said: str) -> None:
    """The message has the position, and none of the library's own terms."""
    with pytest.raises(BadExpressionError) as bad:
        compile_expression(expression)
    assert said in str(bad.value)
    assert not FOREIGN.search(str(bad.value))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("object.f( == 1 && ) 2", ["unexpected '=='; expected a value"]),
        ("object.a = 'a' && object.b = 'b'", ["'=' is not an operator; use ==, <= or >="]),
        ("objct.a == 1 && objct.b == 2 && objct.c.d", ["'objct.a' is not defined; did you mean 'object.a'?"]),
        ("objct.a == parms.b", [("'objct.a' is not defined; did you mean "
                                "'object.a'?"), "'parms.b' is not defined; did you mean 'params.b'?"]),
        ("object.a.alll(c, c.b == c.d)", ["'alll' is not defined; did you mean 'all'?"]),
        ("object.a.exist(k, v, k == v.b)", ["'exist' is not defined; did you mean 'exists'?"]),
        ("object.a.alll(c, c.b == 1) && c.d == 2", ["'alll' is not defined; did you mean 'all'?"]),
        ("object.a.alll(c, d.b == c)", ["'alll' is not defined; did you mean 'all'?", "'d.b' is not defined"]),
        ("object.a.alll(\n  c,\n  c.b.startswith('x'))", [("'alll' is not defined; did you mean "
                                                          "'all'?"), ("'startswith' is not defined; did you mean "
                                                                     "'startsWith'?")]),
        ("object.a + 1 == 'b' + 2", ["the operator + does not take values of these types: string, int"]),
        ("1 + 'a' == 'b' + 2", ["the operator + does not take values of these types: int, string", "the operator + does not take values of these types: string, int"]),
    ],
)  # fmt: skip
def test_one_fault_is_said_once(expression: str, said: list[str]) -> None:
    """What follows from it is left out; another fault is not."""
    with pytest.raises(BadExpressionError) as bad:
        compile_expression(expression)
    assert [one.partition(" of the expression: ")[2] for one in bad.value.complaints] == said
