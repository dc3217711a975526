"""The estimated cost of an expression is an upper limit, and an expression above the budget does not run."""

from time import process_time
from typing import Any

import pytest

from webhook.cel.cost import (
    BUDGET,
    LONGEST_NUMBER,
    MOST_NODES,
    ExpressionShape,
    LoopNest,
    ObjectSize,
    TooLargeError,
    checked_cost,
    measure,
    shape_of,
)
from webhook.model.custom_rule import MAX_EXPRESSION_LENGTH

SMALL = ObjectSize(size=8_000, longest=60)  # an ordinary Pod
MIB = 1 << 20


def deep(loop: LoopNest) -> int:
    """Return the depth of nested loops."""
    return loop.own + len(loop.params) + loop.others


@pytest.mark.parametrize(
    ("expression", "depth"),
    [
        pytest.param("object.a == 1", 0, id="no loop"),
        pytest.param("object.a.all(x, x > 0)", 1, id="one"),
        pytest.param("object.a.all(x, x > 0) && object.b.exists(y, (y) > 0)", 1, id="beside each other"),
        pytest.param("object.a.filter(x, x > 0).map(y, y + 1).size() > 0", 1, id="one after the other"),
        pytest.param("object.a.all(x, object.b.exists (y, x == y))", 2, id="in each other"),
        pytest.param("object.a.all(x, object.b.exists_one(y, y.all(z, (z == x))))", 3, id="three deep"),
        pytest.param("object.a == '.all(x, .all(y,'", 0, id="in a text"),
        pytest.param("object.a == r'\\' && object.all(x, x == '') ", 1, id="after a raw text that ends in a backslash"),
        pytest.param('object.a // .all(x,\n.all(y, y == "(")', 1, id="in a comment"),
        pytest.param("true // ''' \" '\n && object.all(x, x == '''\n(''')", 1, id="after a comment with quotes"),
        pytest.param(r"object.a == '\'' && object.all(x, x == '\\')", 1, id="after an escaped quote"),
        pytest.param("object.all(x, object.`a)b` == 1 && object.all(y, y == x))", 2, id="by a quoted name"),
        pytest.param("object.a.all(k, v, object.b.transformList(i, w, w == v).size() > 0)", 2, id="over two variables"),
        pytest.param("object.a.all(x,\n  object.b.map  (y, y).size() > 0)", 2, id="over lines"),
    ],
)
def test_loops_are_counted_by_how_they_nest(expression: str, depth: int) -> None:
    """The estimate uses the text, as the library does not report what it reads."""
    assert max((deep(loop) for loop in shape_of(expression).loops), default=0) == depth


@pytest.mark.parametrize(
    ("expression", "searches", "matches"),
    [
        ("object.a.contains('x')", False, False),
        ("object.a.matches('^(a|b)+$')", False, False),
        ("object.a.matches(params.pattern) && object.a.contains(params.deep.er)", False, False),
        ("sets.contains(object.a, object.b)", False, False),
        ("object.a.indexOf('x', 1) == 1", False, False),
        ("object.a.lastIndexOf(object.b) == 1", True, False),
        ("object.a.contains(object.b)", True, False),
        ("object.a.contains('x' + object.b)", True, False),
        ("object.a.matches(object.b)", False, True),
        ("object.a.matches(params.a + object.b)", False, True),
        ("matches(object.a, object.b)", False, True),
    ],
)
def test_a_search_for_what_the_user_writes_counts_more(expression: str, searches: bool, matches: bool) -> None:
    """A search for half of a text in the other half has quadratic cost."""
    shape = shape_of(expression)
    assert (bool(shape.searches), bool(shape.matches)) == (searches, matches)


def test_what_is_dear_counts_as_often_as_it_is_written() -> None:
    """Each copy of a list stays until the run ends."""
    shape = shape_of("object.a.map(x, x).sort().reverse() == object.b.sort() && sets.contains(object.a, object.b)")
    assert (shape.grows, shape.copies, shape.pairs) == (1, 3, 1)
    assert shape_of("object.a.all(x, x + '+' + object.b != 'a + b') // +").joins == 2


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_an_ordinary_pods_lists_may_be_sorted(depth: int) -> None:
    """This includes a loop over the result of another one."""
    checked_cost(ExpressionShape((LoopNest(own=depth),), grows=1, copies=2), SMALL)


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_an_ordinary_pod_is_always_judged(depth: int) -> None:
    """This holds for all loops."""
    checked_cost(ExpressionShape((LoopNest(own=depth),), grows=1), SMALL)


@pytest.mark.parametrize(
    "expression",
    [
        "object.items.all(a, object.items.all(b, a != b))",
        "object.items.all(a, object.items.all(b, object.items.all(c, a + b != c)))",
        "object.items.all(a, object != oldObject)",
        "object.items.map(a, a).size() > 0",
        "object.text.contains(object.other)",
        "object.text.matches(object.other)",
        "object.items.distinct().size() > 0",
        f"{' + '.join(['object.text'] * 20)} != ''",
        "object.items.all(a, object.items.reverse() == [])",
        "sets.contains(object.items, object.items)",
        "object.items.transformList(i, a, a).size() > 0",
        "object.text.indexOf(object.other) > 0",
    ],
)
def test_a_mebibyte_is_refused_before_it_holds_a_worker(expression: str) -> None:
    """The examples are quadratic, cubic, and read the whole object in each step."""
    size = measure({"items": list(range(20_000)), "text": "a" * MIB})
    with pytest.raises(TooLargeError, match="too large"):
        checked_cost(shape_of(expression), size)


def test_a_text_is_as_large_as_its_bytes() -> None:
    """A character may have four bytes."""
    assert measure("a" * 100).size + 300 == measure("\U0001f600" * 100).size


@pytest.mark.parametrize(
    "part", ["a.", "a . ", "q.?", "a", "(", "a.all(x,", "object.", "object ", ".", "(,", " ", "'", "+"]
)
def test_the_longest_expression_is_looked_at_in_no_time(part: str) -> None:
    """This holds for every text: a policy file may have a hundred such rules."""
    text = (part * MAX_EXPRESSION_LENGTH)[:MAX_EXPRESSION_LENGTH]
    begun = process_time()
    shape_of(text)
    assert process_time() - begun < 0.5  # quadratic, some take seconds


def test_a_large_object_with_short_lists_is_judged() -> None:
    """A Pod with an annotation of half a mebibyte still has few containers."""
    checked_cost(shape_of("object.spec.containers.all(c, has(c.resources))"), ObjectSize(size=MIB // 2, longest=50))


def test_the_budget_bounds_every_shape() -> None:
    """The cost is the number of steps times the number of bytes, up to the budget."""
    shape = ExpressionShape((LoopNest(own=1),))
    checked_cost(shape, ObjectSize(size=BUDGET // 100, longest=100))
    with pytest.raises(TooLargeError):
        checked_cost(shape, ObjectSize(size=BUDGET // 100, longest=101))


@pytest.mark.parametrize(
    ("expression", "loop"),
    [
        ("object.spec.a.all(x, x > 0)", LoopNest(own=1)),
        ("oldObject . spec.?a.all(x, x > 0)", LoopNest(own=1)),
        ("params.a.b.all(x, x > 0)", LoopNest(params=(("a", "b"),))),
        ("params.all(k, v, v > 0)", LoopNest(params=((),))),
        ("object.l.all(c, params.a.exists(p, c == p))", LoopNest(own=1, params=(("a",),))),
        ("object.l.all(c, c.l.exists(p, c == p))", LoopNest(own=1, others=1)),
        ("object.l.map(c, c).exists(p, p == 1)", LoopNest(others=1)),
        ("object.l[params.n].all(c, c == 1)", LoopNest(others=1)),
        ("object.f(1) . params.a.all(c, c == 1)", LoopNest(others=1)),
        ("object.l.all(params, params.a.all(x, x == 1))", LoopNest(others=2)),
        ("[1, 2].all(x, x > 0)", LoopNest(others=1)),
    ],
)
def test_a_loop_is_as_long_as_the_list_that_names_lead_to(expression: str, loop: LoopNest) -> None:
    """Otherwise it counts as the longest of all lists."""
    assert shape_of(expression).loops[-1] == loop


def test_loops_beside_each_other_add_up() -> None:
    """A rule with a hundred loops has a hundred times the steps of one loop."""
    once, often = (shape_of(" && ".join(["object.a.all(x, x != object)"] * count)) for count in (1, 100))
    checked_cost(once, ObjectSize(size=BUDGET // 1_000, longest=90))
    with pytest.raises(TooLargeError):
        checked_cost(often, ObjectSize(size=BUDGET // 1_000, longest=90))


@pytest.mark.parametrize(
    ("expression", "params"),
    [
        ("params.l.all(x, params.l.all(y, x != y + 'z'))", {"l": [str(n) for n in range(9_000)]}),
        ("params.t.contains(object.a)", {"t": "a" * MIB}),
        ("params.l.all(x, !object.a.contains(x))", {"l": {"a": 1}, "m": "x" * BUDGET}),
        (f"[{','.join(['1'] * 2_000)}].all(x, [{','.join(['1'] * 2_000)}].all(y, x + y > 0))", None),
        (f"object.l.all(x, object.l.all(y, x in [{','.join(['1'] * 2_000)}]))", None),
        (f"object.l.all(x, object.l.all(y, {' && '.join(['x.a == y.a'] * 800)}))", None),
    ],
)
def test_what_the_rule_itself_brings_counts_too(expression: str, params: dict[str, Any] | None) -> None:
    """These are its params and its literals."""
    with pytest.raises(TooLargeError):
        checked_cost(shape_of(expression), ObjectSize(size=4_000, longest=100), params)


def test_many_words_may_be_sought_in_an_ordinary_pod() -> None:
    """A list of the params counts with its own length, not with that of the longest list."""
    words = {"allowed": [f"registry-{number}.example" for number in range(200)]}
    rule = shape_of("object.spec.containers.all(c, params.allowed.exists(p, c.image.startsWith(p)))")
    checked_cost(rule, ObjectSize(size=6_000, longest=30), words)


@pytest.mark.parametrize(
    "step",
    [
        "!object.t.lowerAscii().startsWith(x)",
        "object.t.substring(1) != x",
        "object.t.trim().upperAscii() != x",
        "string(bytes(object.t)) != x",
        "strings.quote(object.t) != x",
        "object.t + x != ''",
    ],
)
def test_a_text_that_each_step_makes_counts_in_each(step: str) -> None:
    """The texts stay in memory until the run ends: at most 100 MB."""
    shape = shape_of(f"params.denied.all(x, {step})")
    size = 1_300_000
    with pytest.raises(TooLargeError):
        checked_cost(shape, ObjectSize(size, 20), {"denied": ["x"] * 900})
    texts = shape.makes + shape.joins
    checked_cost(shape, ObjectSize(BUDGET // 30 // (texts + 1) - 10_000, 20), {"denied": ["x"] * 30})
    with pytest.raises(TooLargeError):
        checked_cost(shape, ObjectSize(BUDGET // 30 // texts, 20), {"denied": ["x"] * 30})


def test_texts_that_loops_double_count_as_they_grow() -> None:
    """A loop may join the result of another loop with itself."""
    twice = "object.l.map(a, object.t + object.t)"
    for name in "bcdefgh":
        twice += f".map({name}, {name} + {name})"
    with pytest.raises(TooLargeError):
        checked_cost(shape_of(f"{twice}.size() == 1"), ObjectSize(BUDGET // 200, 1))


def test_aliases_are_not_followed_for_ever() -> None:
    """A short YAML file can be an object with billions of fields."""
    nest: list[object] = ["x"] * 10
    for _ in range(12):
        nest = [nest] * 10
    with pytest.raises(TooLargeError, match=str(MOST_NODES)):
        measure(nest)


def test_a_wide_nest_of_aliases_is_not_followed_either() -> None:
    """Two levels of it do not fit into any memory."""
    wide = [["x"] * 100_000] * 100_000
    with pytest.raises(TooLargeError, match=str(MOST_NODES)):
        measure(wide)


def test_what_is_nested_deeply_is_refused() -> None:
    """The library compares by recursion without a limit."""
    nest: list[object] = []
    for _ in range(5_000):
        nest = [nest]
    with pytest.raises(TooLargeError, match="deeper than"):
        measure(nest)


@pytest.mark.parametrize("bits", [LONGEST_NUMBER, 16_000])
def test_a_huge_number_is_refused(bits: int) -> None:
    """The library crashes for a number that Python does not convert to text."""
    assert measure([1 << LONGEST_NUMBER - 1])
    with pytest.raises(TooLargeError, match="a number in the object has"):
        measure([-1 << bits])


def test_half_a_character_is_refused() -> None:
    """The library crashes for such a text, too."""
    assert measure(["\U0001f600"]).size == measure(["abcd"]).size
    with pytest.raises(ValueError, match="surrogates"):
        measure([{"\ud83d": 1}])
