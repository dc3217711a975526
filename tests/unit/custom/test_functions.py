"""Kubernetes' own functions, by its own examples (k8s.io/apiserver, pkg/cel/library; cel-go, ext)."""

import pytest

from webhook.custom.library import EvaluationError, compiled

TRUE = [
    # strings
    "'hello'.charAt(4) == 'o' && 'hello'.charAt(5) == ''",
    "'hello mellow'.indexOf('') == 0 && 'hello mellow'.indexOf('ello', 2) == 7 && 'hello'.indexOf('x') == -1",
    "'hello mellow'.lastIndexOf('ello') == 7 && 'hello mellow'.lastIndexOf('ello', 6) == 1",
    "'TacoCat'.lowerAscii() == 'tacocat' && 'TacoCÆt Xii'.lowerAscii() == 'tacocÆt xii'",
    "'TacoCat'.upperAscii() == 'TACOCAT'",
    "'hello hello'.replace('he', 'we') == 'wello wello' && 'hello hello'.replace('he', 'we', 1) == 'wello hello'",
    "'hello hello'.replace('', '_') == '_h_e_l_l_o_ _h_e_l_l_o_' && 'hello hello'.replace('he', 'we', 0) == 'hello hello'",
    "'a b c'.split(' ') == ['a', 'b', 'c'] && 'a b c'.split(' ', 2) == ['a', 'b c'] && 'a b'.split(' ', 0) == []",
    "'a b c'.split(' ', 1) == ['a b c'] && 'abc'.split('') == ['a', 'b', 'c']",
    "'tacocat'.substring(4) == 'cat' && 'tacocat'.substring(0, 4) == 'taco' && 'tacocat'.substring(4, 4) == ''",
    "'  trim\\n'.trim() == 'trim'",
    "['a', 'b'].join() == 'ab' && ['a', 'b'].join('-') == 'a-b' && [].join('-') == ''",
    # lists and sets
    "[1, 2, 3].isSorted() && !['b', 'a'].isSorted() && [].isSorted()",
    "[1, 3].sum() == 4 && [1.0, 3.0].sum() == 4.0 && [1, 3].max() == 3 && ['b', 'a'].min() == 'a'",
    "[1, 2, 2, 3].indexOf(2) == 1 && [1, 2, 2, 3].lastIndexOf(2) == 2 && ['a'].indexOf('b') == -1",
    "[1, 2, 3, 4].slice(1, 3) == [2, 3] && [1, 2, 2].distinct() == [1, 2] && [3, 1].sort() == [1, 3]",
    "[dyn(true)].indexOf(1) == -1",
    "sets.contains([1, 2, 3, 4], [2, 3]) && !sets.contains([1], [2]) && sets.contains([1], [])",
    "sets.equivalent([1], [1, 1]) && sets.equivalent([1, 2], [2, 1]) && !sets.equivalent([1], [2])",
    "sets.intersects([1], [1, 2]) && !sets.intersects([1], [])",
    # patterns
    "'abc 123'.find('[0-9]+') == '123' && 'abc'.find('[0-9]+') == ''",
    "'123 abc 456'.findAll('[0-9]+') == ['123', '456'] && '123 abc 456'.findAll('[0-9]+', 1) == ['123']",
    # quantities
    "isQuantity('1.3G') && isQuantity('1.3Gi') && !isQuantity('1,3G') && isQuantity('10000k') && !isQuantity('200K')",
    "!isQuantity('Three') && !isQuantity('Mi') && isQuantity('-1e3') && isQuantity('1E')",
    "quantity('50000000G').isInteger() && !quantity('0.5').isInteger()",
    "!quantity('9999999999999999999999999999999999999G').isInteger()",
    "quantity('50k').asInteger() == 50000 && quantity('50k').sub(20000).asApproximateFloat() == 30000.0",
    "quantity('50k').add(quantity('20k')) == quantity('70k') && quantity('50k').add(20) == quantity('50020')",
    "quantity('50k').add(20).sub(quantity('100k')).sub(-50000) == quantity('20')",
    "quantity('200M').compareTo(quantity('0.2G')) == 0 && quantity('50M').compareTo(quantity('50Mi')) == -1",
    "quantity('150Mi').isGreaterThan(quantity('100Mi')) && quantity('500m').isLessThan(quantity('1'))",
    "quantity('-1').sign() == -1 && quantity('0').sign() == 0 && quantity('0') == quantity('0k')",
    # addresses
    "isIP('127.0.0.1') && isIP('::1') && !isIP('127.0.0.256') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0')",
    "ip('127.0.0.1').family() == 4 && ip('::1').family() == 6 && ip('::1') == ip('0:0::1')",
    "ip.isCanonical('2001:db8::abcd') && !ip.isCanonical('2001:DB8::ABCD')",
    "ip('127.0.0.1').isLoopback() && ip('0.0.0.0').isUnspecified() && ip('169.254.1.1').isLinkLocalUnicast()",
    "ip('224.0.0.1').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast()",
    "ip('192.168.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()",
    "isCIDR('192.168.0.0/24') && !isCIDR('192.168.0.0') && !isCIDR('192.168.0.0/33')",
    "cidr('192.168.0.0/24').containsIP('192.168.0.1') && !cidr('192.168.0.0/24').containsIP(ip('192.168.1.1'))",
    "cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24') && !cidr('192.168.0.0/24').containsCIDR(cidr('::/0'))",
    "cidr('192.168.0.7/24').ip() == ip('192.168.0.7') && cidr('10.0.0.0/8').prefixLength() == 8",
    "cidr('192.168.0.7/24').masked() == cidr('192.168.0.0/24')",
]
FAILING = [
    ("'tacocat'.charAt(30) == ''", "index out of range"),
    ("'tacocat'.substring(40) == ''", "substring"),
    ("[].max() == 1", "empty list"),
    ("[dyn(1), dyn('a')].sort().size() == 2", "cannot be compared"),
    ("quantity('0.5').asInteger() == 0", "cannot convert"),
    ("ip('nope') == ip('::1')", "nope"),
    ("cidr('10.0.0.0') == cidr('10.0.0.0/8')", "no CIDR"),
    ("ip('::1').isLessThan(quantity('1'))", "no quantity"),
    ("object.long.split(',').size() > 0", "more than 100 parts"),
    ("object.long.findAll('a').size() > 0", "more than 100 matches"),
    ("object.long.replace('a', object.long) == ''", "a text of more than"),
    ("object.many.join(object.long) == ''", "a text of more than"),
    ("sets.contains(object.many, object.many)", "comparisons"),
]


@pytest.mark.parametrize("expression", TRUE)
def test_it_does_what_kubernetes_does(expression: str) -> None:
    """The examples of Kubernetes' own pages."""
    assert compiled(expression).run({})


@pytest.mark.parametrize(("expression", "said"), FAILING)
def test_it_fails_in_words(expression: str, said: str) -> None:
    """Where Kubernetes fails too, and where it would cost too much."""
    variables = {"object": {"long": "a," * 2_000, "many": list(map(str, range(1_000)))}}
    with pytest.raises(EvaluationError) as bad:
        compiled(expression).run(variables)
    assert said in str(bad.value)
