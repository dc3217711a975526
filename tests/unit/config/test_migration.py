"""Rewrite policy files with the keys of earlier releases, in unusual forms, and refuse what cannot be rewritten."""

import json
import re
from typing import Final

import pytest
import yaml

from tests.unit.samples import HEAD
from webhook.config.enclosure import parse_file
from webhook.config.faults import BadPolicy
from webhook.config.json_schema import spelled_out
from webhook.config.migration import BY_HAND, Change, NotMigratedError, migrated
from webhook.config.places import Place

CUSTOM: Final = "custom: [{{id: a-b, resources: [pods], cel: 'true', params: {}}}]\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(HEAD + "twin: true", HEAD + "validatingAdmissionPolicy: true", id="no line end at the end"),
        pytest.param("\ufeff" + HEAD + "twin: true\n", "\ufeff" + HEAD + "validatingAdmissionPolicy: true\n", id="a byte order mark"),
        pytest.param("\ufefftwin: true\n" + HEAD, "\ufeffvalidatingAdmissionPolicy: true\n" + HEAD, id="a key behind the mark"),
        pytest.param((HEAD + "twin: true\ngate: {}\nmode: off\n").replace("\n", "\r"), (HEAD + "validatingAdmissionPolicy: true\nmode: off\n").replace("\n", "\r"), id="line ends of old programs"),
        pytest.param(HEAD + '"tw\\x69n": true\n', HEAD + '"validatingAdmissionPolicy": true\n', id="an escape"),
        pytest.param(HEAD + "? twin\n: true\n", HEAD + "? validatingAdmissionPolicy\n: true\n", id="a question mark"),
        pytest.param(HEAD + "!!str &a 'twin' : true\n", HEAD + "!!str &a 'validatingAdmissionPolicy' : true\n", id="an anchor and a tag"),
        pytest.param(HEAD + CUSTOM.format("{a: &k twin}") + "*k : true\n", HEAD + CUSTOM.format("{a: &k twin}") + "validatingAdmissionPolicy : true\n", id="an alias as a key"),
        pytest.param("---\n---\n# empty\n---\n" + HEAD + "twin: true\n...\n---\n", "---\n---\n# empty\n---\n" + HEAD + "validatingAdmissionPolicy: true\n...\n---\n", id="empty documents"),
        pytest.param(HEAD + "mode: &m warn\nnetwork: &n\n  standingNet: false\n", HEAD + "mode: &m warn\nnetwork: &n\n  clusterWideDefaultDeny: false\n", id="anchors"),
        pytest.param(HEAD + "network: {<<: {standingNet: false}, engine: calico}\n", HEAD + "network: {<<: {clusterWideDefaultDeny: false}, engine: calico}\n", id="a merge key"),
        pytest.param(HEAD + "network: {<<: [{engine: calico}, {standingNet: false}]}\n", HEAD + "network: {<<: [{engine: calico}, {clusterWideDefaultDeny: false}]}\n", id="a merge key with a list"),
        pytest.param("gate:\n" + HEAD, HEAD, id="the first line"),
        pytest.param(HEAD + "gate:", HEAD, id="the last line, without a value and a line end"),
        pytest.param(HEAD + "gate:\n  freshness: 5\n\n\nmode: off\n", HEAD + "\n\nmode: off\n", id="empty lines behind the removed key"),
        pytest.param(HEAD + "# above\ngate: # beside\n  freshness: 5 # inside\n  # below\nmode: off\n", HEAD + "# above\n  # below\nmode: off\n", id="comments above and below the removed key"),
        pytest.param(HEAD + "gate: &g {freshness: &f 5}\n", HEAD, id="unused anchors in the removed key"),
        pytest.param("{gate: 1, apiVersion: catflap.dev/v1, kind: GuardPolicy}", "{apiVersion: catflap.dev/v1, kind: GuardPolicy}", id="the first key in braces"),
        pytest.param("{apiVersion: catflap.dev/v1, gate: 1, kind: GuardPolicy}", "{apiVersion: catflap.dev/v1, kind: GuardPolicy}", id="a key in braces"),
        pytest.param("{apiVersion: catflap.dev/v1, kind: GuardPolicy, gate: 1}", "{apiVersion: catflap.dev/v1, kind: GuardPolicy}", id="the last key in braces"),
        pytest.param("{apiVersion: catflap.dev/v1, kind: GuardPolicy, gate: 1, }", "{apiVersion: catflap.dev/v1, kind: GuardPolicy, }", id="a comma at the end"),
        pytest.param('{\n  "apiVersion": "catflap.dev/v1",\n  "gate": {"freshness": 5},\n  "kind": "GuardPolicy"\n}\n', '{\n  "apiVersion": "catflap.dev/v1",\n  "kind": "GuardPolicy"\n}\n', id="JSON"),
        pytest.param('{\n  "apiVersion": "catflap.dev/v1",\n  "kind": "GuardPolicy",\n  "gate": {\n    "freshness": 5\n  }\n}\n', '{\n  "apiVersion": "catflap.dev/v1",\n  "kind": "GuardPolicy"\n}\n', id="the last key in JSON"),
        pytest.param("{ apiVersion: catflap.dev/v1\n, gate: 1\n, kind: GuardPolicy\n}", "{ apiVersion: catflap.dev/v1\n, kind: GuardPolicy\n}", id="commas at the beginning of lines"),
        pytest.param("# values\nimage: {tag: twin}\npolicy:\n  twin: true # twin\n  gate: {freshness: 5}\n  namespaces:\n    adopt: all\n", "# values\nimage: {tag: twin}\npolicy:\n  validatingAdmissionPolicy: true # twin\n  namespaces:\n    includeExisting: all\n", id="values of the chart"),
    ],
)  # fmt: skip
def test_the_keys_are_rewritten_and_nothing_else(before: str, after: str) -> None:
    """The expected text is complete."""
    found = migrated(before)
    assert found.text == after
    assert found.changes
    assert migrated(after).changes == ()


def test_each_change_has_its_names_and_its_place() -> None:
    """The place is in the file before the change; keys of chart values have their whole path."""
    text = f"{HEAD}twin: true\nnetwork:\n  standingNet: false\ngate: {{freshness: 5}}\n"
    assert migrated(text).changes == (
        Change("twin", "validatingAdmissionPolicy", Place(3, 1)),
        Change("network.standingNet", "network.clusterWideDefaultDeny", Place(5, 3)),
        Change("gate", "", Place(6, 1)),
    )
    assert migrated("policy: {namespaces: {adopt: all}}\n").changes == (
        Change("policy.namespaces.adopt", "policy.namespaces.includeExisting", Place(1, 23)),
    )


def test_a_file_of_the_last_release_with_every_key_is_rewritten() -> None:
    """`catflap config show` wrote such files."""
    now = spelled_out(parse_file(HEAD).policy)
    before = now
    for name, key in (
        ("validatingAdmissionPolicy", "twin"),
        ("clusterWideDefaultDeny", "standingNet"),
        ("includeExisting", "adopt"),
        ("existingWorkloads", "existing"),
    ):
        before = re.sub(rf"(?m)^( *){name}:", rf"\1{key}:", before)
    gate = "gate:\n  # Milliseconds.\n  freshness: 0\n"
    before = before.replace("roles:", f"{gate}roles:", 1).replace(
        f"# Settings of single roles, by name.\n{gate}", f"{gate}# Settings of single roles, by name.\n"
    )
    assert migrated(before).text == now


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{HEAD}{CUSTOM.format('&p {existing: judge}')}workloads: *p\n", id="an alias of a mapping with another use"),
        pytest.param(f"{HEAD}{CUSTOM.format('&p {existing: judge}')}workloads: {{<<: *p}}\n", id="a merged mapping with another use"),
        pytest.param(f"{HEAD}gate: {{freshness: &f 5}}\n{CUSTOM.format('{a: *f}')}", id="an alias of an anchor in the removed key"),
        pytest.param(f"{HEAD}&k twin: true\n{CUSTOM.format('{a: *k}')}", id="an alias of the key"),
        pytest.param(f"{HEAD}? |-\n  twin\n: true\n", id="a key in a block style"),
        pytest.param("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  policy.yaml: >\n    {apiVersion: catflap.dev/v1,\n    kind: GuardPolicy, twin: true}\n", id="joined lines in a manifest"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_rewritten_is_refused_with_the_keys(text: str) -> None:
    """The user can change them, as each has its place."""
    with pytest.raises(NotMigratedError, match=BY_HAND) as bad:
        migrated(text)
    assert [change.place is not None for change in bad.value.changes] == [True]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("mode: [", "not YAML", id="no YAML"),
        pytest.param(f"{HEAD}twin: true\nmode: loud\n", "'loud' is unknown", id="a wrong value"),
        pytest.param(f"{HEAD}twin: true\nvalidatingAdmissionPolicy: true\n", "this is the former name", id="both names"),
        pytest.param("policy:\n  twin: true\n  validatingAdmissionPolicy: true\n", "this is the former name", id="both names in values"),
        pytest.param("policy: {twin: true}\nimage: *x\n", "which is not defined before it", id="values with a fault of syntax"),
        pytest.param("apiVersion: v1\nkind: Service\n", "this is a v1 Service", id="another object"),
        pytest.param("", "the file is empty", id="nothing"),
    ],
)  # fmt: skip
def test_a_file_with_faults_is_refused_with_them(text: str, fault: str) -> None:
    """It would not be certain that the file means the same afterwards."""
    with pytest.raises(BadPolicy) as bad:
        migrated(text)
    assert fault in str(bad.value)


@pytest.mark.parametrize("escaped", [True, False])
def test_a_policy_file_in_json_of_kubectl_keeps_its_escapes(*, escaped: bool) -> None:
    """JSON may escape any character."""
    policy = f'{HEAD}# é {"" if escaped else "😀"} "twin"\ttwin: true\ntwin: true\ngate: {{}}\n'
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"policy.yaml": policy}}
    text = json.dumps(manifest, ensure_ascii=escaped).replace("/", "\\/")
    found = migrated(text)
    now = policy.replace("\ntwin:", "\nvalidatingAdmissionPolicy:").replace("gate: {}\n", "")
    assert found.text == json.dumps({**manifest, "data": {"policy.yaml": now}}, ensure_ascii=escaped).replace(
        "/", "\\/"
    )


@pytest.mark.parametrize("style", ["'", '"'])
def test_a_manifest_keeps_the_style_of_the_policy_file(style: str) -> None:
    """Quotes inside of the policy file are doubled or escaped there."""
    policy = f"{HEAD}mode: 'warn' # \"it's\"\n'twin': true\n"
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"policy.yaml": policy}}
    text = yaml.dump(manifest, default_style=style, sort_keys=False, width=30)
    found = migrated(text)
    assert yaml.safe_load(found.text)["data"]["policy.yaml"] == policy.replace("twin", "validatingAdmissionPolicy")
    assert found.text.replace("validatingAdmissionPolicy", "twin") == text


def test_a_value_with_an_anchor_is_rewritten_where_it_is_written() -> None:
    """The manifest's own aliases stay."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: catflap-policy}\ndata:\n  copy: &text |\n    apiVersion: catflap.dev/v1\n    kind: GuardPolicy\n    twin: true\n  policy.yaml: *text\n"
    assert migrated(text).text == text.replace("twin", "validatingAdmissionPolicy")
