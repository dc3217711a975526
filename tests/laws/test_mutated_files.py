"""Valid files with a typing error: each message is one of catflap's own, and has a line of the file."""

import re
from textwrap import indent
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from webhook.config.enclosure import parse_file
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.review.manifests import BadManifestError, read
from webhook.syntax.documents import LocatedObject, located_objects
from webhook.syntax.yaml_composer import YamlPosition

FOREIGN: Final = re.compile(
    r"did not find|could not find|while (?:parsing|scanning)|not allowed here|Expected|`(?:str|int|array|object)|NoneType|\$\.|Traceback"
    r"|Input should|codec|\bstr\b|\bdict\b|malformed|Errno"
)
POLICY: Final = """\
apiVersion: catflap.dev/v1
kind: GuardPolicy
mode: warn
rules: {require-app: off, mine: warn}
workloads:
  role: {oneOf: [web, db], aliases: [component]}
  require:
    - {label: team, matches: 'a[0-9]+'}
  extraKinds: [{group: a.example, resource: widgets, kind: Widget, template: spec.template}]
namespaces:
  environment: {label: env, oneOf: [test, prod]}
  overrides:
    - {names: [shop*], mode: audit}
network:
  clusterCIDRs: [10.0.0.0/8]
  dns: [{cidrs: [10.0.0.1/32], ports: [53/UDP]}]
  flows:
    - {from: web, to: db, ports: [5432/TCP], across: environment}
    - {from: {cidrs: [192.168.0.0/16]}, to: {role: web, namespaces: [shop]}, ports: [80/TCP]}
roles: {db: {claim: {namespaces: [shop]}}}
custom: [{id: mine, resources: [widgets.a.example], cel: 'object.spec.a == 1'}]
exceptions:
  - {rule: mine, namespace: shop, owner: ann, reason: old, until: 2099-01-01}
"""
CONFIG_MAP: Final = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: catflap-policy}}\ndata:\n  policy.yaml: |\n{indent(POLICY, '    ')}"
MANIFESTS: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: shop, role: frontend}}
spec:
  template:
    metadata:
      labels:
        app: shop
        role: frontend
    spec: {serviceAccountName: web, hostNetwork: false, containers: [{name: web, image: shop/web}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: shop}
spec:
  podSelector: {matchLabels: {app: shop}}
  policyTypes: [Ingress]
  ingress:
    - from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
      ports: [{port: 80, protocol: TCP, endPort: 90}]
"""
PIECES: Final = (
    "", "\t", "\n", " ", "  ", ":", ": ", "'", '"', "[", "]", "{", "}", ",", "- ", "*", "*x", "&", "!", "|", "5", "1.10", "no", "~", "@", "%",
    "\\", "#", "---\n", "null", "[[]]", "\ufeff", "{{ .x }}",
)  # fmt: skip
slips = st.lists(
    st.tuples(st.integers(0, 2000), st.sampled_from(PIECES), st.sampled_from((0, 0, 1, 4))), min_size=1, max_size=3
)


def mistyped(text: str, slips: list[tuple[int, str, int]]) -> str:
    """Generate a text in which something is inserted, deleted or replaced."""
    for at, piece, left_out in slips:
        place = at % len(text)
        text = text[:place] + piece + text[place + left_out :]
    return text


@given(base=st.sampled_from((POLICY, CONFIG_MAP)), slips=slips)
def test_a_mistyped_policy_file_is_answered_in_words_at_its_lines(base: str, slips: list[tuple[int, str, int]]) -> None:
    """The error may be one of YAML, of the schema, or of the file as a whole."""
    text = mistyped(base, slips)
    for fault in policy_faults(text):
        assert not FOREIGN.search(str(fault)), fault
        assert fault.place is None or 1 <= fault.place.line <= text.count("\n") + 2


def policy_faults(text: str) -> tuple[PolicyFault, ...]:
    """Return the errors of a policy file."""
    try:
        parse_file(text)
    except BadPolicy as bad:
        return bad.faults
    return ()


@given(slips=slips)
def test_a_mistyped_manifest_is_answered_in_words_at_its_lines(slips: list[tuple[int, str, int]]) -> None:
    """This holds for each document."""
    text = mistyped(MANIFESTS, slips)
    for found in located_objects(text):
        errors = [(found.place, str(found))] if isinstance(found, BadManifestError) else complaints(found)
        for place, message in errors:
            assert not FOREIGN.search(message), message
            assert place is None or 1 <= place.line <= text.count("\n") + 2


def complaints(found: LocatedObject) -> list[tuple[YamlPosition | None, str]]:
    """Return the errors of one object."""
    try:
        manifest = read(found.value, default_namespace="shop")
    except BadManifestError as bad:
        return list(bad.each(found))
    unreadable = manifest.policy.unreadable if manifest.policy else ""
    return [(None, unreadable), *((None, fault.words()) for fault in manifest.refused)]
