"""Check that objects of the wrong shape have messages in the words of the file, with the field as users write it."""

import copy
import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

import msgspec
import pytest
from msgspec import Struct, structs

from webhook.model.kinds import POD_MAKERS, POLICIES_BY_KIND
from webhook.netpol.reading import READERS, read, read_json
from webhook.review.decode import decode
from webhook.review.envelope import AdmissionReview, BadReview
from webhook.review.manifests import BadManifestError, BadValuesError
from webhook.review.manifests import read as read_manifest
from webhook.review.workloads import PodTemplate, object_shape
from webhook.syntax.type_errors import MOST_MISMATCHES, decode_error_message, invalid_json_message, type_mismatch

# The words of msgspec, json and Python, which no author of a manifest uses.
FOREIGN: Final = re.compile(
    r"Expected|`|\$|\bstr\b|\bint\b|\bfloat\b|\bbool\b|\bdict\b|\btuple\b|NoneType|\bobject at\b|\barray\b|datetime|msgspec|Invalid|malformed"
    r"|Traceback|codec|recursion"
)
WRONG: Final[tuple[Any, ...]] = (
    None, True, False, 0, -5, 8080, 1.5, "", "no", "x" * 400, "a b", [], [None], [True], [8080], ["a", "a"], [["a"]], [{}], {}, {"a": 1},
    {"a": None}, {"a": {"b": []}}, {"a": ["b"]},
)  # fmt: skip
Path = tuple[str | int, ...]


def fields(shape: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each decoded field of a shape with its type; lists by their first item, mappings by one key."""
    origin = get_origin(shape)
    if origin in {Union, UnionType}:
        for one in get_args(shape):
            yield from fields(one, path)
    elif origin is list:
        yield (*path, 0), shape
        yield from fields(get_args(shape)[0], (*path, 0))
    elif origin is dict:
        yield (*path, "team"), shape
    elif isinstance(shape, type) and issubclass(shape, Struct):
        for field in structs.fields(shape):
            yield (*path, field.encode_name), field.type
            yield from fields(field.type, (*path, field.encode_name))


def valid_value(shape: Any) -> Any:
    """Return a small object of a shape with its required fields."""
    found: dict[str, Any] = {}
    for field in structs.fields(shape):
        if field.required:
            found[field.encode_name] = {str: "x", int: 1}.get(field.type, {})
    return found


def set_value(shape: Any, path: Path, value: Any) -> Any:
    """Return an object of a shape with a value at a path, and with the required fields on the way."""
    if not path:
        return value
    step, *rest = path
    for one in get_args(shape) if get_origin(shape) in {Union, UnionType} else (shape,):
        if isinstance(step, int) and get_origin(one) is list:
            return [set_value(get_args(one)[0], tuple(rest), value)]
        if get_origin(one) is dict:
            return {step: value}
        if isinstance(one, type) and issubclass(one, Struct):
            inner = next(field.type for field in structs.fields(one) if field.encode_name == step)
            return {**valid_value(one), step: set_value(inner, tuple(rest), value)}
    return value


def paths_of(shape: Any) -> list[Path]:
    """Return each path of a shape once."""
    return list(dict.fromkeys(path for path, _ in fields(shape)))


POLICIES: Final = [
    pytest.param(resource, path, id=f"{resource[1]}.{resource[0]} {'.'.join(map(str, path))}")
    for resource, reader in READERS.items()
    for path in paths_of(reader.shape)
]
WORKLOADS: Final = [
    pytest.param(maker, path, id=f"{maker.kind} {'.'.join(map(str, path))}")
    for maker in POD_MAKERS
    if not maker.custom
    for path in paths_of(object_shape(maker.template, Any, PodTemplate | None) if maker.template else PodTemplate)
]


@pytest.mark.parametrize(("resource", "path"), POLICIES)
def test_no_wrong_value_of_a_network_policy_is_answered_in_a_librarys_words(
    resource: tuple[str, str], path: Path
) -> None:
    """Plain values and the JSON of a review have the same message, with the path that users write."""
    for value in WRONG:
        found = set_value(READERS[resource].shape, path, value)
        told = read(resource, found).unreadable
        assert not FOREIGN.search(told), told
        assert read_json(resource, msgspec.json.encode(found)).unreadable == told


@pytest.mark.parametrize(("maker", "path"), WORKLOADS)
def test_no_wrong_value_of_a_workload_is_answered_in_a_librarys_words(maker: Any, path: Path) -> None:
    """The test reads each wrong value in a manifest."""
    shape = object_shape(maker.template, Any, PodTemplate | None) if maker.template else PodTemplate
    answers = []
    for value in WRONG:
        document = {"apiVersion": f"{maker.group}/v1".lstrip("/"), "kind": maker.kind, **set_value(shape, path, value)}
        try:
            read_manifest(document, default_namespace="shop")
        except BadManifestError as bad:
            answers.append(str(bad))
    assert [answer for answer in answers if FOREIGN.search(answer)] == []


def test_each_kind_of_network_policy_is_tried() -> None:
    """The readers give the table above, and every kind has a reader."""
    assert {(kind.group, kind.resource) for kind in POLICIES_BY_KIND.values()} >= set(READERS)
    assert len(POLICIES) > 150


@pytest.mark.parametrize("path", paths_of(AdmissionReview), ids=lambda path: ".".join(map(str, path)))
def test_no_wrong_value_of_a_review_is_answered_in_a_librarys_words(path: Path) -> None:
    """A person who calls the server by hand reads the message."""
    for value in WRONG:
        found = {**set_value(AdmissionReview, path, value)}
        found = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", path[0]: found[str(path[0])]}
        with pytest.raises(BadReview) as bad:
            decode(msgspec.json.encode(found))
        assert not FOREIGN.search(str(bad.value)), str(bad.value)


PLAIN: Final = ("networking.k8s.io", "networkpolicies")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"podSelector": {"matchLabels": {"a": "b", "app": False}}}, "spec.podSelector.matchLabels.app: false is a boolean; expected text: write it in quotes"),
        ({"podSelector": {"matchLabels": {"a.example/b": 1}}}, "spec.podSelector.matchLabels['a.example/b']: 1 is a number; expected text: write it in quotes: \"1\""),
        ({"ingress": {"from": []}}, ("spec.ingress: this is a mapping; expected a list: start each item on its own "
                                    "line with '- '")),
        ({"ingress": [{"ports": [{"port": True}]}]}, "spec.ingress[0].ports[0].port: true is a boolean; expected a whole number or text: write it in quotes"),
        ({"ingress": [{"ports": [{"port": 1.5}]}]}, "spec.ingress[0].ports[0].port: 1.5 is a number; expected a whole number or text"),
        ({"ingress": [{"ports": [{"port": 80, "endPort": "90"}]}]}, "spec.ingress[0].ports[0].endPort: '90' is text; expected a whole number: write 90 without quotes"),
        ({"egress": [{"to": [{"ipBlock": {}}]}]}, "spec.egress[0].to[0].ipBlock.cidr: this key is missing"),
        ({"policyTypes": "Ingress"}, "spec.policyTypes: 'Ingress' is text; expected a list"),
        ({"ingress": [{"from": [{"podSelector": "app"}]}]}, "spec.ingress[0].from[0].podSelector: 'app' is text; expected a mapping of keys and values (key: value)"),
    ],
)  # fmt: skip
def test_message_has_field_value_and_expected_type(spec: Mapping[str, Any], told: str) -> None:
    """The messages have the form of those about the policy file."""
    assert read(PLAIN, {"spec": spec}).unreadable.startswith(told)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("no", ('no is read as the boolean false, because kubectl uses YAML 1.1; expected text: write it in quotes: '
               '"no"')),
        ("false", 'false is a boolean; expected text: write it in quotes: "false"'),
        (None, 'false is a boolean; expected text: write it in quotes: "false" (unquoted y, yes and on are true, n, no and off false)'),
    ],
)  # fmt: skip
def test_the_trap_of_yaml_is_named(written: str | None, says: str) -> None:
    """The message has the word in the file, or all words that become booleans if that word is unknown."""
    source = {"metadata": {"name": False}}
    with pytest.raises(msgspec.ValidationError) as bad:
        msgspec.convert(source, PodTemplate)
    assert type_mismatch(bad.value, source).words(written) == says


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON: it ends before its last value is complete"),
        (b'{"a":', "not JSON: it ends before its last value is complete"),
        (b'{"a" 1}', "not JSON: it is invalid from byte 5 on"),
        (b'{"metadata": {"name": "\xff"}}', "not UTF-8"),
        (b'{"a": ' + b"[" * 100_000 + b"}", "nested too deeply"),
        (b'{"metadata": {"labels": {"a": 1}}}', "metadata.labels[*]: expected text, got a number"),
    ],
)
def test_undecodable_bytes_have_a_message(body: bytes, told: str) -> None:
    """The message has the position."""
    with pytest.raises((msgspec.DecodeError, UnicodeError, RecursionError)) as bad:
        msgspec.json.decode(body, type=PodTemplate)
    assert decode_error_message(bad.value) == told


def test_incomplete_character_has_a_message() -> None:
    """The message is that of the policy file."""
    with pytest.raises(UnicodeError) as bad:
        "\ud800".encode()
    assert (
        invalid_json_message(bad.value)
        == "it contains half of a surrogate pair (\\ud800 to \\udfff), which is not text"
    )


@pytest.mark.parametrize("wrong", range(13))
def test_each_wrong_rule_of_a_network_policy_is_named(wrong: int) -> None:
    """All wrong rules up to the limit are reported together; right rules between them are not."""
    ways: list[Any] = [
        {"from": {}},
        {"ports": 80},
        {"ports": [{"endPort": "x"}]},
        {"from": [{"ipBlock": {"cidr": 5}}]},
        7,
    ]
    right: dict[str, Any] = {"from": [{"podSelector": {}}]}
    rules: list[Any] = []
    for number in range(wrong):
        rules += [copy.deepcopy(ways[number % len(ways)]), right]
    document = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "a"},
        "spec": {"ingress": rules},
    }
    before = copy.deepcopy(document)
    if not wrong:
        assert read_manifest(document, default_namespace="a").policy is not None
        return
    with pytest.raises(BadValuesError) as bad:
        read_manifest(document, default_namespace="a")
    assert document == before
    places = [fault.path[:3] for fault in bad.value.faults]
    assert places == [("spec", "ingress", 2 * number) for number in range(min(wrong, MOST_MISMATCHES))]
