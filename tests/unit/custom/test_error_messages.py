"""Errors of an expression are clear sentences for users."""

import re
from typing import Final

import pytest

from webhook.custom.library import BadExpressionError, compile_expression

# Terms of the library, its parser generator and its checker.
FOREIGN: Final = re.compile(
    r"<EOF>|mismatched|extraneous|token recognition|overload|NUM_|[Ii]nvalid|IDENTIFIER|parsetree|_[^ ]_"
)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("object.spec.n >", "line 1, column 16 of the expression: the expression ends here, and a value is expected"),
        ("", "the expression ends here, and a value is expected"),
        ("has(object.spec", "the expression ends here, and ) is expected"),
        ("object['spec'", "the expression ends here, and ] is expected"),
        ("{'a': 1", "the expression ends here, and } or , is expected"),
        ("true ? 1", "the expression ends here, and : is expected"),
        ("object.all(c c.image)", "'c' cannot be here; expected )"),
        ("object.a = 'y'", "'=' is no operator; compare by ==, <= or >="),
        ("object.a => 1", "'=>' is no operator; compare by ==, <= or >="),
        ("true;", "';' means nothing in CEL"),
        ("object.a == 'x", "the quote of 'x is not closed"),
        ("true and true", "'and' cannot follow here; CEL writes &&"),
        ("true or true", "'or' cannot follow here; CEL writes ||"),
        ("not true", "'true' cannot follow here; join two conditions by && or ||, and negate one by !"),
        ("objct.a == 1", "nothing is called 'objct.a' here; did you mean 'object.a'?"),
        ("object.a == nil", "nothing is called 'nil' here; CEL writes null"),
        ("object.a == True", "nothing is called 'True' here; CEL writes true"),
        ("image != ''", "nothing is called 'image' here"),
        ("if true", "'if' is a reserved word of CEL; a choice is written CONDITION ? VALUE : OTHER"),
        ("has(object)", "has() takes a field, such as has(object.spec)"),
        ("null + 1 == 2", "the operator + does not take values of these types: null, int"),
        ("!1", "the operator ! does not take values of these types: int"),
        ("size()", "size() cannot be called in this way"),
        ("object.!a", "'.!' cannot be here"),
        ("object.a.all(c)", "all() takes a name and a condition, such as all(c, c.image != '')"),
        ("object.a.map(c) == []", "map() takes a name and a value, such as map(c, c.image)"),
        ("99999999999999999999 == 1", "the number is too large; one without quotes has at most 64 bits"),
        ("r'\\' == 'a'", "the text is not closed by its quote"),
        ("'a'.matches('[')", "'[' is no regular expression: a [ is not closed"),
        ("'a'.matches('*')", "'*' is no regular expression: *, + or ? has nothing before it to repeat"),
        ("object.a", "it gives a value of any type (dyn), and not true or false"),
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
        ("object.f( == 1 && ) 2", ["'==' cannot be here; expected a value"]),
        ("object.a = 'a' && object.b = 'b'", ["'=' is no operator; compare by ==, <= or >="]),
        ("objct.a == 1 && objct.b == 2 && objct.c.d", ["nothing is called 'objct.a' here; did you mean 'object.a'?"]),
        ("objct.a == parms.b", ["nothing is called 'objct.a' here; did you mean 'object.a'?", "nothing is called 'parms.b' here; did you mean 'params.b'?"]),
        ("object.a.alll(c, c.b == c.d)", ["nothing is called 'alll' here; did you mean 'all'?"]),
        ("object.a.exist(k, v, k == v.b)", ["nothing is called 'exist' here; did you mean 'exists'?"]),
        ("object.a.alll(c, c.b == 1) && c.d == 2", ["nothing is called 'alll' here; did you mean 'all'?"]),
        ("object.a.alll(c, d.b == c)", ["nothing is called 'alll' here; did you mean 'all'?", "nothing is called 'd.b' here"]),
        ("object.a.alll(\n  c,\n  c.b.startswith('x'))", ["nothing is called 'alll' here; did you mean 'all'?", "nothing is called 'startswith' here; did you mean 'startsWith'?"]),
        ("object.a + 1 == 'b' + 2", ["the operator + does not take values of these types: string, int"]),
        ("1 + 'a' == 'b' + 2", ["the operator + does not take values of these types: int, string", "the operator + does not take values of these types: string, int"]),
    ],
)  # fmt: skip
def test_one_fault_is_said_once(expression: str, said: list[str]) -> None:
    """What follows from it is left out; another fault is not."""
    with pytest.raises(BadExpressionError) as bad:
        compile_expression(expression)
    assert [one.partition(" of the expression: ")[2] for one in bad.value.complaints] == said
