"""Check that the keys of earlier releases mean what they meant, with a warning at their place."""

from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.laws.strategies import LAW
from tests.unit.samples import HEAD
from webhook.config.apart import SMALL, load
from webhook.config.enclosure import parse_file
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.json_schema import schema
from webhook.config.parse import parse
from webhook.config.places import Place, written
from webhook.config.renamed_keys import MIGRATE, REMOVED, RENAMED, current
from webhook.config.store import PolicyStore

# A valid value of each renamed key that is not its default, with what else a valid file needs then.
VALUES: Final[dict[tuple[str, ...], tuple[Any, dict[str, Any]]]] = {
    ("twin",): (True, {}),
    ("network", "standingNet"): (True, {"namespaces": {"includeExisting": "all"}, "network": {"engine": "calico"}}),
    ("namespaces", "adopt"): (["team-*", "shop"], {}),
    ("workloads", "existing"): ("judge", {"workloads": {"scope": "object"}}),
}
FORMER: Final = sorted(RENAMED)


def file_with(path: tuple[Any, ...], value: Any, others: dict[str, Any]) -> dict[str, Any]:
    """Return a policy file with a value at a path of at most two keys."""
    content: dict[str, Any] = {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", **others}
    *section, key = path
    if section:
        content[section[0]] = {**content.get(section[0], {}), key: value}
    else:
        content[key] = value
    return content


def text_of(content: dict[str, Any], form: str = "block") -> str:
    """Return a policy file as text."""
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=form == "flow")


def faults(text: str) -> list[str]:
    """Return each fault of a file."""
    with pytest.raises(BadPolicy) as bad:
        parse(text)
    return list(map(str, bad.value.faults))


def test_each_renamed_key_has_a_value_here() -> None:
    """Otherwise the tests below would not cover it."""
    assert VALUES.keys() == RENAMED.keys()


@pytest.mark.parametrize("form", ["block", "flow"])
@pytest.mark.parametrize("path", FORMER, ids=written)
def test_a_former_name_has_the_meaning_of_the_current_one(path: tuple[str, ...], form: str) -> None:
    """The policy is equal, and only the former name yields a warning."""
    value, others = VALUES[path]
    before = parse(text_of(file_with(path, value, others), form))
    after = parse(text_of(file_with(current(path), value, others), form))
    assert before.policy == after.policy
    assert before.policy != parse(HEAD).policy
    assert after.warnings == ()
    [warning] = before.warnings
    assert warning.path == written(path)
    assert written(current(path)) in warning.message
    assert MIGRATE in warning.message


def test_a_warning_has_the_place_of_the_key() -> None:
    """The place is in the file that the user edits, also in a ConfigMap."""
    lines = "network:\n  engine: none\nnamespaces: {exempt: [], adopt: all}\ngate:\n  freshness: 5\n"
    assert [one.place for one in parse(HEAD + lines).warnings] == [Place(5, 26), Place(6, 1)]
    indented = "".join(f"    {line}\n" for line in (HEAD + lines).splitlines())
    manifest = (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: catflap-policy}}\ndata:\n  policy.yaml: |\n{indented}"
    )
    assert [one.place for one in parse_file(manifest).warnings] == [Place(10, 30), Place(11, 5)]


@pytest.mark.parametrize("value", ["{freshness: 5}", "{freshness: 5s}", "{}", "~", "[1]", "text", "{a: {b: c}}"])
def test_a_removed_key_has_no_effect_whatever_its_value(value: str) -> None:
    """Every check of the isolation reads the cluster."""
    found = parse(f"{HEAD}gate: {value}\n")
    assert found.policy == parse(HEAD).policy
    [warning] = found.warnings
    assert (warning.path, warning.place) == ("gate", Place(3, 1))
    assert REMOVED[("gate",)] in warning.message


@pytest.mark.parametrize("is_former_first", [True, False])
@pytest.mark.parametrize("path", FORMER, ids=written)
def test_both_names_in_one_file_are_a_fault_with_both_places(path: tuple[str, ...], *, is_former_first: bool) -> None:
    """This holds also if both have the same value."""
    value, others = VALUES[path]
    former, now = path[-1], RENAMED[path]
    keys = [former, now] if is_former_first else [now, former]
    inner = "".join(
        f"{'  ' * len(path[:-1])}{key}: {yaml.safe_dump(value, default_flow_style=True).removesuffix('...' + chr(10))}"
        for key in keys
    )
    above = "".join(f"{key}:\n" for key in path[:-1])
    rest = {key: one for key, one in others.items() if key not in path}
    text = f"{HEAD}{above}{inner}{yaml.safe_dump(rest) if rest else ''}"
    with pytest.raises(BadPolicy) as bad:
        parse(text)
    [fault] = [one for one in bad.value.faults if one.path == written(path)]
    first = 3 + len(path[:-1])
    former_line, other_line = (first, first + 1) if is_former_first else (first + 1, first)
    assert fault.place is not None
    assert fault.place.line == former_line
    assert f"(line {other_line})" in fault.message
    assert written(current(path)) in fault.message


def test_the_other_line_is_a_line_of_the_manifest() -> None:
    """A message about the policy in a ConfigMap counts lines as the place of the fault does."""
    manifest = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: catflap-policy}\ndata:\n  policy.yaml: |\n"
        "    apiVersion: catflap.dev/v1\n    kind: GuardPolicy\n    validatingAdmissionPolicy: true\n    twin: true\n"
    )
    with pytest.raises(BadPolicy) as bad:
        parse_file(manifest)
    [fault] = bad.value.faults
    assert (fault.place, "(line 8)" in fault.message) == (Place(9, 5), True)


@pytest.mark.parametrize("path", FORMER, ids=written)
def test_faults_below_a_former_name_have_the_path_in_the_text(path: tuple[str, ...]) -> None:
    """The user finds the path in the file."""
    for value in ({"a": [1]}, [[1]], None, "no such value"):
        content = file_with(path, value, {})
        found = faults(text_of(content))
        assert found
        assert all(fault.startswith(written(path)) for fault in found), found


def test_a_fault_of_syntax_below_a_former_name_hides_no_other_fault() -> None:
    """The path of a value without an anchor is the path in the text."""
    found = faults(f"{HEAD}namespaces:\n  adopt: *all\nworkloads: {{existing: Admit}}\nmode: loud\n")
    assert [one.partition(": ")[0] for one in found] == ["namespaces.adopt", "workloads.existing", "mode"]


def test_a_former_name_at_another_place_is_unknown() -> None:
    """The message names the place of the current name."""
    assert faults(f"{HEAD}standingNet: true\n") == [
        "standingNet: unknown key here; the policy file has this key at network.clusterWideDefaultDeny"
    ]
    assert "twin" in faults(f"{HEAD}network: {{twin: true}}\n")[0]


def test_text_and_names_that_look_like_a_former_key_stay() -> None:
    """Only the key at its path is renamed: neither a value, nor a role, nor a parameter of a custom rule."""
    text = f"{HEAD}workloads: {{role: {{oneOf: [twin, adopt]}}}}\nroles: {{twin: {{}}}}\ncustom: [{{id: a-b, resources: [pods], cel: 'params.adopt == true', params: {{adopt: true, twin: 1}}}}]\n"
    found = parse(text)
    assert found.warnings == ()
    assert list(found.policy.roles) == ["twin"]


def test_an_aliased_mapping_is_renamed_only_where_it_has_the_key() -> None:
    """The parameters of a custom rule keep their names."""
    text = (
        f"{HEAD}custom: [{{id: a-b, resources: [pods], cel: 'params.existing == \"judge\"', params: &shared {{existing: judge}}}}]\n"
        "workloads: *shared\n"
    )
    found = parse(text)
    assert found.policy.workloads.existing_workloads == "judge"
    assert found.policy.custom[0].params == {"existing": "judge"}
    merged = text.replace("workloads: *shared", "workloads: {<<: *shared, scope: template}")
    assert parse(merged).policy == found.policy.model_copy(update={"workloads": parse(merged).policy.workloads})
    assert parse(merged).policy.workloads.existing_workloads == "judge"


def test_a_large_file_keeps_its_warnings() -> None:
    """Another process reads it."""
    text = f"{HEAD}twin: true\nnamespaces: {{exempt: [{', '.join(f'a-long-namespace-{n:03}' for n in range(900))}]}}\n"
    assert len(text) > SMALL
    assert [one.path for one in load(text).warnings] == ["twin"]


def test_each_policy_in_force_has_its_warnings_once() -> None:
    """A watch may deliver the same text again."""
    seen: list[tuple[PolicyFault, ...]] = []
    store = PolicyStore(on_refusal=lambda _: None)
    store.on_change(lambda loaded: seen.append(loaded.warnings))
    for text in (HEAD, f"{HEAD}twin: true\n", f"{HEAD}twin: true\n"):
        store.offer(text)
    assert [[one.path for one in warnings] for warnings in seen] == [[], ["twin"]]


@pytest.mark.parametrize("path", FORMER, ids=written)
def test_the_schema_takes_a_former_key_as_deprecated(path: tuple[str, ...]) -> None:
    """An editor strikes it through, and still checks its value."""
    value, others = VALUES[path]
    validator = Draft202012Validator(schema())
    assert validator.is_valid(file_with(path, value, others))
    assert not validator.is_valid(file_with(path, {"no": "such value"}, others))
    deprecated = [name for name, property_ in properties(schema()) if property_.get("deprecated")]
    assert sorted(deprecated) == sorted([*(one[-1] for one in RENAMED), *(one[-1] for one in REMOVED)])


def properties(node: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return each property in a schema with its name."""
    found: list[tuple[str, dict[str, Any]]] = []
    for key, value in node.items() if isinstance(node, dict) else ():
        if key == "properties":
            found += [(name, one) for name, one in value.items() if isinstance(one, dict)]
        found += properties(value)
    return found


def test_no_file_of_the_repository_has_a_former_key() -> None:
    """Users copy the examples."""
    root = Path(__file__).parents[3]
    for path in [*root.glob("examples/policies/*.yaml"), *(root / "tests" / "cases").rglob("policy.yaml")]:
        assert parse_file(path.read_text("utf-8")).warnings == (), path


KEYS: Final = st.sampled_from(
    [*(key for path in RENAMED for key in (path[-1], RENAMED[path])), "gate", "engine", "exempt", "scope"]
)
ANY_VALUE: Final[st.SearchStrategy[Any]] = st.sampled_from(
    [True, False, "all", "none", "judge", "admit", ["a"], None, {}, 5]
)
SECTION: Final = st.dictionaries(KEYS, ANY_VALUE, max_size=4)


@LAW
@given(st.dictionaries(KEYS | st.sampled_from(["network", "namespaces", "workloads"]), ANY_VALUE | SECTION, max_size=6))
def test_a_file_with_former_names_is_valid_exactly_if_it_is_with_current_ones(content: dict[str, Any]) -> None:
    """The paths of its faults differ only in the names; a file with both names of a key is no such pair."""
    sections = [((), content), *(((key,), one) for key, one in content.items() if isinstance(one, dict))]
    both = [
        path
        for path in RENAMED
        for where, one in sections
        if where == path[:-1] and {path[-1], RENAMED[path]} <= one.keys()
    ]
    if both:
        assert {written(path) for path in both} <= {one.partition(": ")[0] for one in faults(whole(content))}
        return
    now = {
        RENAMED.get((key,), key): {RENAMED.get((key, inner), inner): one for inner, one in value.items()}
        if isinstance(value, dict)
        else value
        for key, value in content.items()
        if (key,) not in REMOVED
    }
    assert outcome(whole(content)) == outcome(whole(now))


def whole(content: dict[str, Any]) -> str:
    """Return a policy file with further content."""
    return yaml.safe_dump({**yaml.safe_load(HEAD), **content}, sort_keys=False)


def outcome(text: str) -> Any:
    """Return the policy of a file, or its faults with the current names of keys."""
    try:
        return parse(text).policy
    except BadPolicy as bad:
        names = {written(path): written(current(path)) for path in RENAMED}
        return {(names.get(one.path.partition("[")[0], one.path), one.message) for one in bad.faults}
