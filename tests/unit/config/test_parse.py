"""Check the content that a policy file may have, and every fault with its path."""

import hashlib
from typing import Final

import pytest

from tests.unit.samples import HEAD
from webhook.config.default import DEFAULT_POLICY
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import MOST_TOLD, digest, parse
from webhook.config.reading import LARGEST
from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy

MODES: Final = "expected one of enforce, warn, audit, off"
KEYS: Final = (
    "the valid keys are apiVersion, kind, mode, rules, workloads, namespaces, network, roles, policyFile, "
    "breakGlass, custom, "
    "exempt, validatingAdmissionPolicy, reports, exceptions"
)
NO_END: Final = "the end of the flow is empty; add a role, namespaces or both, or only cidrs"
NO_VALUE: Final = "the admitted values are missing; add oneOf: [VALUE, …], or matches: PATTERN (.+ matches any value)"
WHOLE: Final = """
mode: warn
rules: {known-role: enforce, require-app: off}
workloads:
  app: {label: app, aliases: [app.kubernetes.io/name]}
  role: {label: role, aliases: [], oneOf: [web, queue]}
  require:
    - {label: team, oneOf: [a, b]}
    - {label: cost-center, matches: "[0-9]{4}"}
  fillFromAliases: false
  existingWorkloads: judge
namespaces:
  includeExisting: [team-*, shop]
  exempt: [kube-system, monitoring]
network:
  engine: calico
  dns:
    - {namespaceLabels: {kubernetes.io/metadata.name: dns}, podLabels: {app: dns}, ports: [53/UDP]}
    - {cidrs: [169.254.20.10/32, "fd00::/8"]}
"""


def faults(text: str) -> list[str]:
    """Return the faults of a text."""
    with pytest.raises(BadPolicy) as bad:
        parse(text)
    return [str(fault) for fault in bad.value.faults]


class TestGood:
    """Test good files."""

    def test_the_default_file_is_the_defaults(self) -> None:
        """The schema defines the defaults."""
        assert parse(DEFAULT_POLICY).policy == GuardPolicy(apiVersion="catflap.dev/v1", kind="GuardPolicy")

    def test_everything_that_a_file_may_say_is_read(self) -> None:
        """The file uses the names of the schema."""
        policy = parse(HEAD + WHOLE).policy
        assert policy.model_dump(by_alias=True, mode="json", exclude_defaults=True) == {
            "apiVersion": "catflap.dev/v1",
            "kind": "GuardPolicy",
            "mode": "warn",
            "rules": {"known-role": "enforce", "require-app": "off"},
            "workloads": {
                "app": {"aliases": ["app.kubernetes.io/name"]},
                "role": {"aliases": [], "oneOf": ["web", "queue"]},
                "require": [{"label": "team", "oneOf": ["a", "b"]}, {"label": "cost-center", "matches": "[0-9]{4}"}],
                "fillFromAliases": False,
                "existingWorkloads": "judge",
            },
            "namespaces": {"includeExisting": ["team-*", "shop"], "exempt": ["kube-system", "monitoring"]},
            "network": {
                "engine": "calico",
                "dns": [
                    {
                        "namespaceLabels": {"kubernetes.io/metadata.name": "dns"},
                        "podLabels": {"app": "dns"},
                        "ports": ["53/UDP"],
                    },
                    {"cidrs": ["169.254.20.10/32", "fd00::/8"]},
                ],
            },
        }

    def test_everything_that_flows_may_say_is_read(self) -> None:
        """A single word is a role or the outside."""
        network = """
            presets: [istio, prometheus]
            flows:
              - {from: outside, to: frontend, ports: [443/TCP]}
              - {from: frontend, to: {role: data, namespaces: [db]}, ports: [8000-8100/UDP, 1/SCTP], across: environment}
              - {from: {namespaces: [shop]}, to: {cidrs: [192.0.2.1, "2001:db8::/32"]}, ports: [25/TCP]}
            clusterCIDRs: [10.0.0.0/8, "fd00::/8"]
            nodeCIDRs: [10.240.0.0/16]
            staged: true
            clusterWideDefaultDeny: true
        """
        namespaces = "{includeExisting: all, environment: {label: stage, oneOf: [production]}, labelledBy: [admins]}"
        exception = {"rule": "require-app", "namespace": "shop", "owner": "ann", "reason": "old", "until": "2026-12-31"}
        policy = parse(f"{HEAD}namespaces: {namespaces}\nexceptions: [{exception}]\nnetwork:{network}").policy
        read = policy.model_dump(by_alias=True, mode="json", exclude_defaults=True)
        assert read["exceptions"] == [exception]
        assert read["namespaces"]["environment"] == {"label": "stage", "oneOf": ["production"]}
        assert read["namespaces"]["labelledBy"] == ["admins"]
        assert read["network"] == {
            "presets": ["istio", "prometheus"],
            "flows": [
                {"from": {"role": "outside"}, "to": {"role": "frontend"}, "ports": ["443/TCP"]},
                {
                    "from": {"role": "frontend"},
                    "to": {"role": "data", "namespaces": ["db"]},
                    "ports": ["8000-8100/UDP", "1/SCTP"],
                    "across": "environment",
                },
                {
                    "from": {"namespaces": ["shop"]},
                    "to": {"cidrs": ["192.0.2.1/32", "2001:db8::/32"]},
                    "ports": ["25/TCP"],
                },
            ],
            "clusterCIDRs": ["10.0.0.0/8", "fd00::/8"],
            "nodeCIDRs": ["10.240.0.0/16"],
            "staged": True,
            "clusterWideDefaultDeny": True,
        }
        assert [flow.port_ranges for flow in policy.network.flows] == [
            (("TCP", 443, 443),),
            (("UDP", 8000, 8100), ("SCTP", 1, 1)),
            (("TCP", 25, 25),),
        ]

    @pytest.mark.parametrize("mode", Mode)
    def test_a_mode_needs_no_quotes(self, mode: Mode) -> None:
        """As in YAML 1.2, `off` is a word and not false."""
        assert parse(f"{HEAD}mode: {mode}\nrules: {{known-role: {mode}}}\n").policy.rules == {"known-role": mode}

    def test_words_of_yaml_1_1_are_words(self) -> None:
        """A role may have the name `on`."""
        roles = parse(f"{HEAD}workloads: {{role: {{oneOf: [on, yes, n, Off]}}}}").policy.workloads.role
        assert roles.one_of == ("on", "yes", "n", "Off")

    @pytest.mark.parametrize("word", ["true", "True", "TRUE"])
    def test_true_is_a_truth(self, word: str) -> None:
        """YAML 1.2 has three spellings of it."""
        assert parse(f"{HEAD}workloads: {{fillFromAliases: {word}}}").policy.workloads.fill_from_aliases is True

    def test_a_byte_order_mark_is_no_matter(self) -> None:
        """Editors on Windows write the mark."""
        assert parse("\ufeff" + HEAD).policy == parse(HEAD).policy

    def test_json_is_yaml(self) -> None:
        """Programs that generate files prefer JSON."""
        assert parse('{"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", "mode": "off"}').policy.mode is Mode.OFF

    def test_the_digest_names_the_text(self) -> None:
        """It is the first 64 bits of the text's SHA-256, so any user can compute it."""
        text = HEAD + "# grüße\n"
        assert parse(text).digest == digest(text) == hashlib.sha256(text.encode()).hexdigest()[:16]
        assert parse(HEAD).digest != digest(text)


class TestFaults:
    """Test files with faults."""

    @pytest.mark.parametrize(
        ("lines", "fault"),
        [
            pytest.param("moed: warn", "moed: unknown key; did you mean 'mode'?", id="a misspelt key"),
            pytest.param("x-y-z: 1", f"x-y-z: unknown key; {KEYS}", id="a key like no other"),
            pytest.param(
                "workloads: {rolle: {}}", "workloads.rolle: unknown key; did you mean 'role'?", id="one further down"
            ),
            pytest.param(
                "workloads: {require: [{lable: a, oneOf: [b], label: c}]}",
                "workloads.require[0].lable: unknown key; did you mean 'label'?",
                id="one in a list",
            ),
            pytest.param(
                "workloads: {fill_from_aliases: true}",
                "workloads.fill_from_aliases: unknown key; did you mean 'fillFromAliases'?",
                id="one in Python's spelling",
            ),
            pytest.param("mode: of", f"mode: 'of' is unknown; {MODES}; did you mean 'off'?", id="a mode that is none"),
            pytest.param(
                "mode: Off", f"mode: 'Off' is unknown; {MODES}; did you mean 'off'?", id="a mode in other letters"
            ),
            pytest.param(
                "mode:",
                f"mode: the value is missing; {MODES}; add a value, or remove the key to use its default",
                id="a mode left empty",
            ),
            pytest.param(
                "rules: {known-role: false}",
                f"rules.known-role: false is a boolean; {MODES}; "
                'write "off" in quotes to turn it off (Helm and YAML 1.1 read off and no without quotes as false)',
                id="a mode that is a boolean",
            ),
            pytest.param(
                "rules: {known-role: no}",
                f"rules.known-role: 'no' is unknown; {MODES}; write off to turn it off "
                "(no is text in this file, and false where Helm or YAML 1.1 read it)",
                id="a word for a mode",
            ),
            pytest.param(
                "rules: {known-roles: warn}",
                "rules.known-roles: unknown rule 'known-roles'; did you mean 'known-role'?",
                id="a misspelt rule",
            ),
            pytest.param(
                "rules: [known-role]",
                "rules: this is a list; expected a mapping of keys and values (key: value): the mode of single rules, by identifier",
                id="a list of rules",
            ),
            pytest.param(
                "workloads: {app: {label: a b}}",
                "workloads.app.label: 'a b' is not a valid label key: expected [prefix.example/]name, where name "
                "has at most 63 letters, digits and '-_.'",
                id="a label that is none",
            ),
            pytest.param(
                "workloads: {role: {aliases: [a, b, a]}}",
                "workloads.role.aliases[2]: 'a' is a duplicate of aliases[0]; remove one of the two",
                id="an alias twice",
            ),
            pytest.param(
                "workloads: {role: {oneOf: [a, 2]}}",
                'workloads.role.oneOf[1]: 2 is a number; expected text: write it in quotes: "2"',
                id="a number without quotes",
            ),
            pytest.param(
                "workloads: {role: {oneOf: []}}",
                "workloads.role.oneOf: the list is empty; expected at least 1 item",
                id="no role at all",
            ),
            pytest.param(
                "workloads: {role: {oneOf: a}}",
                "workloads.role.oneOf: 'a' is text; expected a list: write oneOf: [a]",
                id="no list of roles",
            ),
            pytest.param(
                "workloads: {require: [{label: a}]}",
                f"workloads.require[0]: {NO_VALUE}",
                id="a requirement that requires nothing",
            ),
            pytest.param(
                "workloads: {require: [{label: a, oneOf: [b], matches: c}]}",
                "workloads.require[0]: oneOf and matches exclude each other; remove one of the two",
                id="a requirement with two minds",
            ),
            pytest.param(
                'workloads: {require: [{label: a, matches: "("}]}',
                "workloads.require[0]: matches: '(' is not a valid regular expression: a ( is not closed",
                id="a pattern that is none",
            ),
            pytest.param(
                'workloads: {require: [{label: a, matches: "(?=b)"}]}',
                "workloads.require[0]: matches: '(?=b)' is not a valid regular expression: "
                "lookarounds such as (?=…) and (?<!…) are not supported",
                id="a pattern that could take forever",
            ),
            pytest.param(
                'workloads: {require: [{label: a, matches: "b)|(?:c"}]}',
                "workloads.require[0]: matches: 'b)|(?:c' is not a valid regular expression: a ) has no matching (",
                id="a pattern that would break out of its anchors",
            ),
            pytest.param(
                "workloads: {fillFromAliases: yes}",
                "workloads.fillFromAliases: 'yes' is text; expected true or false: write true; the words yes, no, "
                "on and off are text in this file",
                id="a word for a truth",
            ),
            pytest.param(
                "workloads: {existingWorkloads: keep}",
                "workloads.existingWorkloads: 'keep' is unknown; expected one of admit, judge",
                id="a word that is not on the list",
            ),
            pytest.param(
                "namespaces: {exempt: [team-*]}",
                "namespaces.exempt[0]: 'team-*' is not a valid namespace name: expected lower-case letters, digits "
                "and '-', at most 63; this key takes one name without a star",
                id="a pattern where names are asked for",
            ),
            pytest.param(
                "network: {engine: cilium}",
                "network.engine: 'cilium' is unknown; expected one of auto, calico, kubernetes, none",
                id="an engine that we do not know",
            ),
        ],
    )
    def test_a_fault_has_its_path_and_what_would_be_right(self, lines: str, fault: str) -> None:
        """Each fault is one line."""
        assert faults(HEAD + lines) == [fault]

    @pytest.mark.parametrize(
        ("lines", "fault"),
        [
            pytest.param(
                "network: {dns: [{cidrs: [10.0.0.1/8]}]}",
                "network.dns[0].cidrs[0]: '10.0.0.1/8' is an address inside a network; did you mean 10.0.0.0/8, or "
                "10.0.0.1 for this single address?",
                id="a network with host bits",
            ),
            pytest.param(
                "network: {dns: [{cidrs: [10.0.0.0/8], ports: [53]}]}",
                "network.dns[0].ports[0]: 53 is a number; a port needs a protocol: write 53/TCP",
                id="a port without protocol",
            ),
            pytest.param(
                "network: {dns: [{namespaceLabels: {a: b}}]}",
                "network.dns[0]: podLabels are missing; namespaceLabels and podLabels are required together",
                id="half a name server",
            ),
            pytest.param(
                "network: {dns: [{podLabels: {a: b}}]}",
                "network.dns[0]: namespaceLabels are missing; namespaceLabels and podLabels are required together",
                id="the other half of a name server",
            ),
            pytest.param(
                "network: {dns: [{ports: [53/TCP]}]}",
                "network.dns[0]: the name server is missing; add namespaceLabels and podLabels, or cidrs",
                id="no name server",
            ),
            pytest.param(
                "network: {dns: [{namespaceLabels: {a: b}, podLabels: {a: b}, cidrs: [10.0.0.0/8]}]}",
                "network.dns[0]: labels and cidrs exclude each other; name Pods by labels or addresses by cidrs",
                id="a name server of two kinds",
            ),
            pytest.param(
                "network: {dns: [{namespaceLabels: {a: b}, cidrs: [10.0.0.0/8]}]}",
                "network.dns[0]: labels and cidrs exclude each other; name Pods by labels or addresses by cidrs",
                id="half of one kind beside the other, which would be passed over",
            ),
            pytest.param(
                "network: {dns: [{podLabels: {a: b}, cidrs: [10.0.0.0/8]}]}",
                "network.dns[0]: labels and cidrs exclude each other; name Pods by labels or addresses by cidrs",
                id="the other half",
            ),
            pytest.param(
                'network: {dns: [{namespaceLabels: {a: "it\'s"}, podLabels: {a: b}}]}',
                'network.dns[0].namespaceLabels.a: "it\'s" is not a valid label value: expected '
                "1 to 63 letters, digits and '-_.', with a letter or digit at both ends",
                id="a quote in a label value",
            ),
            pytest.param(
                "network: {dns: [{cidrs: [10.0.0.0/8, 10.0.0.0/8]}]}",
                "network.dns[0].cidrs[1]: '10.0.0.0/8' is a duplicate of cidrs[0]; remove one of the two",
                id="a network twice, which Calico's schema refuses",
            ),
            pytest.param(
                "network: {dns: [{namspaceLabels: {a: b}, podLabels: {a: b}}]}",
                "network.dns[0].namspaceLabels: unknown key; did you mean 'namespaceLabels'?",
                id="a misspelt key",
            ),
            pytest.param(
                "network: {dns: kubedns}",
                "network.dns: 'kubedns' is unknown; expected one of auto, kube-dns, node-local, kubespray, gke, aks, openshift, none, or a list; "
                "did you mean 'kube-dns'?",
                id="a preset that we do not know",
            ),
        ],
    )
    def test_a_name_servers_fault_has_its_path(self, lines: str, fault: str) -> None:
        """The value is a preset or a list, so the message may name both."""
        assert fault in faults(HEAD + lines)

    @pytest.mark.parametrize(
        ("flow", "fault"),
        [
            pytest.param("from: frontend, to: {}", f".to: {NO_END}", id="nobody"),
            pytest.param(
                "from: {namespaces: [], cidrs: []}, to: backend",
                f".from: {NO_END}",
                id="nobody, in so many words",
            ),
            pytest.param(
                "from: {role: frontend, cidrs: [10.0.0.0/8]}, to: backend",
                ".from: cidrs exclude role and namespaces in one end of a flow; write two flows",
                id="Pods and networks",
            ),
            pytest.param(
                "from: {role: outside, namespaces: [a]}, to: backend",
                ".from: outside cannot have namespaces; remove namespaces",
                id="the outside of a namespace",
            ),
            pytest.param(
                "from: {namespaces: [a, b, a]}, to: backend",
                ".from.namespaces[2]: 'a' is a duplicate of namespaces[0]; remove one of the two",
                id="a namespace twice",
            ),
            pytest.param(
                "from: frontend, to: {namespaces: [team-*]}",
                ".to.namespaces[0]: 'team-*' is not a valid namespace name: expected lower-case letters, digits "
                "and '-', at most 63; this key takes one name without a star",
                id="a pattern where names are asked for",
            ),
            pytest.param(
                "from: {cidrs: [192.0.2.1, 192.0.2.1/32]}, to: backend",
                ".from.cidrs[1]: '192.0.2.1/32' is a duplicate of cidrs[0]; remove one of the two",
                id="a network twice, in two ways",
            ),
            pytest.param(
                "from: a b, to: backend",
                ".from.role: 'a b' is not a valid label value: expected 1 to 63 letters, digits and '-_.', with a "
                "letter or digit at both ends; did you mean 'a-b'?",
                id="no label value",
            ),
            pytest.param(
                "from: [frontend], to: backend",
                ".from: this is a list; expected one role, outside, or a mapping with keys such as role, namespaces, cidrs",
                id="a list of roles",
            ),
            pytest.param(
                "form: frontend, to: backend", ".form: unknown key; did you mean 'from'?", id="a misspelt key"
            ),
            pytest.param(
                "from: {rol: frontend}, to: backend",
                ".from.rol: unknown key; did you mean 'role'?",
                id="one further down",
            ),
            pytest.param(
                "from: outside, to: {cidrs: [10.0.0.0/8]}",
                ": at least one end must select Pods, because catflap writes the policies for these Pods",
                id="networks at both ends",
            ),
            pytest.param(
                "from: outside, to: backend, across: environment",
                ": across: networks do not belong to an environment; remove across",
                id="a network across an environment",
            ),
            pytest.param(
                "from: frontend, to: backend, across: cluster",
                ".across: 'cluster' is unknown; the only valid value is environment",
                id="any further",
            ),
        ],
    )
    def test_a_flows_fault_has_its_path(self, flow: str, fault: str) -> None:
        """The path includes the faulty end of the flow."""
        text = f"{HEAD}network: {{flows: [{{from: data, to: data, ports: [1/TCP]}}, {{{flow}, ports: [80/TCP]}}]}}"
        assert f"network.flows[1]{fault}" in faults(text)

    @pytest.mark.parametrize(
        ("ports", "fault"),
        [
            pytest.param(
                "",
                "network.flows[0].ports: this key is missing: the ports of the destination Pods, not of their Service: "
                "8080/TCP, 8000-8100/UDP",
                id="which would be every port",
            ),
            pytest.param(
                ", ports: []",
                "network.flows[0].ports: the list is empty; expected at least 1 item",
                id="none, which would be every port",
            ),
            pytest.param(
                ", ports: [80/TCP, 80/TCP]",
                "network.flows[0].ports[1]: '80/TCP' is a duplicate of ports[0]; remove one of the two",
                id="one of them twice",
            ),
            pytest.param(
                f", ports: [{', '.join(f'{number}/TCP' for number in range(1, 52))}]",
                "network.flows[0].ports: 51 items; at most 50 are allowed",
                id="more than a rule of Calico's has",
            ),
        ],
    )
    def test_a_flow_has_its_ports(self, ports: str, fault: str) -> None:
        """The path has the number of the port."""
        assert faults(f"{HEAD}network: {{flows: [{{from: frontend, to: backend{ports}}}]}}") == [fault]

    @pytest.mark.parametrize(
        ("lines", "fault"),
        [
            pytest.param(
                "network: {clusterCidrs: [10.0.0.0/8]}",
                "network.clusterCidrs: unknown key; did you mean 'clusterCIDRs'?",
                id="a key in other letters",
            ),
            pytest.param(
                "network: {presets: [isto]}",
                "network.presets[0]: 'isto' is unknown; expected one of istio, istio-ambient, linkerd, osm, prometheus, "
                "kubelet-probes; did you mean 'istio'?",
                id="a preset that we do not know",
            ),
            pytest.param(
                "network: {presets: [osm, osm]}",
                "network.presets[1]: 'osm' is a duplicate of presets[0]; remove one of the two",
                id="a preset twice",
            ),
            pytest.param(
                "network: {nodeCIDRs: ['::ffff:10.0.0.0/104']}",
                "network.nodeCIDRs[0]: '::ffff:10.0.0.0/104' is an IPv4 network in IPv6 form, which network "
                "engines interpret differently: write it as IPv4; did you mean 10.0.0.0/8?",
                id="IPv4 in IPv6",
            ),
            pytest.param(
                "network: {clusterWideDefaultDeny: yes}",
                "network.clusterWideDefaultDeny: 'yes' is text; expected true or false: write true; the words yes, no, on and "
                "off are text in this file",
                id="a word for a truth",
            ),
            pytest.param(
                "exceptions: [{rule: require-app, namespace: shop, owner: ann, reason: old}]",
                "exceptions[0].until: this key is missing: the last day of the exception, until 24:00 UTC",
                id="an exception without an end",
            ),
            pytest.param(
                "exceptions: [{rule: require-app, namespace: shop, owner: ann, reason: old, until: 2027-02-30}]",
                "exceptions[0].until: '2027-02-30' does not exist in the calendar: write YYYY-MM-DD, such as "
                "2027-01-31",
                id="a day that the calendar lacks",
            ),
            pytest.param(
                "exceptions: [{rule: require-app, namespace: shop, owner: ann, reason: old, until: 0}]",
                "exceptions[0].until: 0 is a number; expected a date: write YYYY-MM-DD, such as 2027-01-31",
                id="a number, which might be seconds since 1970",
            ),
            pytest.param(
                "exceptions: [{rule: require-app, namespace: shop, owner: ann, reason: old, until: 2027-01-31T00:00:00Z}]",
                "exceptions[0].until: '2027-01-31T00:00:00Z' is not a valid date: write YYYY-MM-DD, such as "
                "2027-01-31; did you mean '2027-01-31'?",
                id="a moment",
            ),
            pytest.param(
                "exceptions: [{rule: require-app, namespace: shop, owner: ann, reason: old, until: '20270131'}]",
                "exceptions[0].until: '20270131' is not a valid date: write YYYY-MM-DD, such as 2027-01-31",
                id="a day in other letters",
            ),
            pytest.param(
                "exceptions: [{rule: require-app, namespace: shop, owner: '', reason: old, until: 2026-12-31}]",
                "exceptions[0].owner: the text is empty; expected text (the person or team that is responsible)",
                id="an exception of nobody",
            ),
        ],
    )
    def test_another_fault_of_the_network_or_an_exception_has_its_path(self, lines: str, fault: str) -> None:
        """The file has no other fault."""
        assert faults(HEAD + lines) == [fault]

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ("namespaces: {includeExisting: [All]}", "namespaces.includeExisting[0]"),
            ("namespaces: {includeExisting: All}", "namespaces.includeExisting"),
            ("network: {dns: [~]}", "network.dns[0]"),
            ("network: {dns: aws}", "network.dns"),
        ],
    )
    def test_a_bad_word_is_not_told_to_be_a_list_nor_a_list_to_be_a_word(self, said: str, told: str) -> None:
        """The message fits the type of the value if both types are allowed."""
        [found] = faults(HEAD + said)
        assert found.partition(":")[0] == told

    def test_a_selector_longer_than_calico_takes_is_refused_when_the_file_is_read(self) -> None:
        """Otherwise no namespace could be closed later."""
        labels = ", ".join(f"label-{number:02}: {'v' * 63}" for number in range(20))
        text = f"{HEAD}network: {{dns: [{{namespaceLabels: {{a: b}}, podLabels: {{{labels}}}}}]}}"
        assert any("1024" in fault for fault in faults(text))

    def test_every_fault_is_found_at_once(self) -> None:
        """The faults are in the order of the text, each once."""
        text = (
            "apiVersion: catflap.dev/v2\nkind: Policy\nmode: loud\nruls: []\n"
            "workloads: {role: {oneOf: [a, a], label: -}, require: [{label: a}, {label: b}]}\n"
            "namespaces: {exempt: [A, B]}\n"
        )
        no_key = (
            "'-' is not a valid label key: expected [prefix.example/]name, where name has at most 63 letters, "
            "digits and '-_.'"
        )
        assert faults(text) == [
            "apiVersion: 'catflap.dev/v2' is unknown; the only valid value is catflap.dev/v1",
            "kind: 'Policy' is unknown; the only valid value is GuardPolicy",
            f"mode: 'loud' is unknown; {MODES}",
            "ruls: unknown key; did you mean 'rules'?",
            "workloads.role.oneOf[1]: 'a' is a duplicate of oneOf[0]; remove one of the two",
            f"workloads.role.label: {no_key}",
            f"workloads.require[0]: {NO_VALUE}",
            f"workloads.require[1]: {NO_VALUE}",
            (
                "namespaces.exempt[0]: 'A' is not a valid namespace name: expected lower-case letters, digits and '-', "
                "at most 63; did you mean 'a'?"
            ),
            (
                "namespaces.exempt[1]: 'B' is not a valid namespace name: expected lower-case letters, digits and '-', "
                "at most 63; did you mean 'b'?"
            ),
        ]

    def test_what_is_at_fault_as_yaml_hides_nothing(self) -> None:
        """A wrong tag, a key that is not text and a repeated key hide no other fault; each appears once."""
        text = "mode: !!int x\nrules: {1: warn, known-role: loud}\nroles: {backend: {}, backend: {}, 2027-01-01: {}}\n"
        assert [fault.partition(":")[0] for fault in faults(HEAD + text)] == [
            "mode",
            "rules.1",
            "rules.known-role",
            "roles.backend",
        ]
        assert [fault.partition(":")[0] for fault in faults(f"{HEAD}mode: warn\nmode: off\nroles: {{a: {{}}}}\n")] == [
            "mode",
            "roles.a",
        ]

    def test_no_endless_list_is_told(self) -> None:
        """The list, its lines and their characters are limited."""
        assert len(faults(HEAD + "".join(f"x{number}: 1\n" for number in range(MOST_TOLD)))) == MOST_TOLD
        found = faults(HEAD + "".join(f"x{number}: 1\n" for number in range(MOST_TOLD + 1)))
        assert (len(found), found[-1]) == (MOST_TOLD + 1, f"the file has more than {MOST_TOLD} errors; fix these first")
        [line] = faults(f"{HEAD}namespaces: {{exempt: [{'x' * 100_000}]}}")
        assert len(line) < 600
        assert line.endswith(
            "x' is not a valid namespace name: expected lower-case letters, digits and '-', at most 63"
        )
        assert faults(f'{HEAD}"\u200b\\tx": 1') == [f"\\u200b\\tx: unknown key; {KEYS}"]

    def test_a_misspelt_rule_is_found_among_other_faults(self) -> None:
        """Users can correct all faults together."""
        found = faults(f"{HEAD}mode: loud\nrules: {{known-roles: warn}}\n")
        assert len(found) == 2
        assert any(fault.startswith("rules.known-roles: unknown rule 'known-roles'") for fault in found)

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            pytest.param("", "the file is empty; ", id="nothing"),
            pytest.param("- a", "expected a mapping with apiVersion and kind, got a list", id="a list"),
            pytest.param("GuardPolicy", "expected a mapping with apiVersion and kind, got text", id="a word"),
            pytest.param(f"{HEAD}---\n{HEAD}", "a second YAML document starts here, ", id="two documents"),
            pytest.param(HEAD + "mode: \x07", "not YAML: U+0007 cannot be part of the text", id="a control character"),
            pytest.param(
                HEAD + "\ufeffmode: off",
                "not YAML: U+FEFF (a byte order mark) cannot be part",
                id="a mark that nobody sees",
            ),
            pytest.param(HEAD + "mode: \ud83d", "not YAML: U+D83D cannot be part of the text", id="half a character"),
            pytest.param(
                HEAD + "#" * LARGEST,
                f"the file has {LARGEST + len(HEAD)} bytes, and the limit is {LARGEST} bytes",
                id="huge",
            ),
            pytest.param(HEAD + "#" + "ü" * (LARGEST // 2), "the file has ", id="huge for what a ConfigMap counts"),
        ],
    )
    def test_what_is_no_policy_file_is_refused_in_one_line(self, text: str, fault: str) -> None:
        """The line gives the reason."""
        (found,) = faults(text)
        assert found.startswith(fault)
        assert "\n" not in found

    @pytest.mark.parametrize("key", ["a(b", "mode [x]", "[", "("])
    def test_a_key_with_a_bracket_is_an_unknown_key(self, key: str) -> None:
        """The content of the key does not matter."""
        assert any("unknown key" in fault for fault in faults(f'{HEAD}"{key}": 1'))

    def test_a_fault_with_a_bracket_in_its_path_keeps_its_path(self) -> None:
        """Users need the path to find the fault."""
        assert f"rules.a(b: 'loud' is unknown; {MODES}" in faults(f'{HEAD}rules: {{"a(b": loud}}')


def test_the_exception_says_every_fault() -> None:
    """A log has them on one line."""
    bad = BadPolicy([PolicyFault("a.b", "is wrong"), PolicyFault("", "so is all")])
    assert str(bad) == "a.b: is wrong; so is all"
    assert bad.faults == (PolicyFault("a.b", "is wrong"), PolicyFault("", "so is all"))
