"""Check contradictions between parts of a policy file; each faulty file has a similar good file."""

from dataclasses import dataclass
from typing import Final

import pytest

from tests.unit.samples import HEAD
from webhook.config.faults import BadPolicy
from webhook.config.parse import parse
from webhook.model.namespace_settings import ALWAYS_EXEMPT
from webhook.model.selector import LONGEST

ENVIRONMENTS: Final = "namespaces: {environment: {oneOf: [production, test]}}"
INCLUDED: Final = "namespaces: {includeExisting: all}"
OUT_OF_ENVIRONMENT: Final = (
    "because the addresses of both flows can include Pods; list the networks of Pods in network.clusterCIDRs and "
    "exclude them from this flow"
)
NO_POLICY_NAME: Final = "cannot be part of the name of a policy: use at most 50 characters of a-z, 0-9 and '-'"


@dataclass(frozen=True)
class Flow:
    """A flow as a line of the file."""

    source: str = "frontend"
    to: str = "backend"
    ports: str = "80/TCP"
    across: bool = False

    def __str__(self) -> str:
        across = ", across: environment" if self.across else ""
        return f"{{from: {self.source}, to: {self.to}, ports: [{self.ports}]{across}}}"


def network(*flows: Flow, rest: str = "") -> str:
    """Return the network section with these flows, and with `rest`."""
    return f"network: {{flows: [{', '.join(map(str, flows))}]{rest and ', '}{rest}}}"


def cidrs(*texts: str) -> str:
    """Return networks as an end of a flow."""
    return f"{{cidrs: [{', '.join(map(repr, texts))}]}}"


def faults(*lines: str) -> list[str]:
    """Return the faults of a file of these lines; empty for a good file."""
    try:
        parse(HEAD + "\n".join(lines))
    except BadPolicy as bad:
        return [str(fault) for fault in bad.faults]
    return []


class TestRoles:
    """Test the roles of flows."""

    def test_a_role_is_one_that_there_is(self) -> None:
        """An unknown role is a fault at either end, with the nearest role as a proposal."""
        roles = "the roles are frontend, backend, data"
        assert faults(network(Flow("frontent"))) == [
            "network.flows[0].from: unknown role 'frontent'; did you mean 'frontend'?"
        ]
        assert faults(network(Flow(), Flow(to="{role: queue, namespaces: [mq]}"))) == [
            f"network.flows[1].to: unknown role 'queue'; {roles}"
        ]
        assert faults(network(Flow(), Flow(to="{role: data, namespaces: [mq]}"))) == []

    def test_outside_is_no_role_where_there_are_flows(self) -> None:
        """The word would mean both a role and the outside."""
        roles = "workloads: {role: {oneOf: [outside, web]}}"
        flow = Flow("web", "web")
        assert faults(roles, network(flow)) == [
            (
                "workloads.role.oneOf[0]: 'outside' is a reserved word in flows and means all addresses outside of the "
                "cluster; rename the role"
            )
        ]
        assert faults(roles) == []
        assert faults("workloads: {role: {oneOf: [outsides, web]}}", network(flow)) == []

    @pytest.mark.parametrize("role", ["Web", "web.1", "web_1", "a" * 51])
    def test_a_role_of_flows_is_part_of_a_policys_name(self, role: str) -> None:
        """The limit does not apply to roles without flows."""
        roles = f"workloads: {{role: {{oneOf: [{role}, web]}}}}"
        assert faults(roles, network(Flow("web", role))) == [f"network.flows[0].to: the role {role!r} {NO_POLICY_NAME}"]
        assert faults(roles, network(Flow("web", "web"))) == []

    @pytest.mark.parametrize("role", ["a" * 50, "web-1", "1st"])
    def test_a_role_may_be_as_long_as_a_name_allows(self, role: str) -> None:
        """A name has 63 characters, and catflap uses 13 of them."""
        assert faults(f"workloads: {{role: {{oneOf: [{role}]}}}}", network(Flow(role, role))) == []

    def test_policies_select_by_the_roles_own_label(self) -> None:
        """A Pod with an alias alone must therefore get the role's own label."""
        left = "workloads: {fillFromAliases: false}"
        assert faults(left, network(Flow())) == [
            (
                "workloads.fillFromAliases: flows select Pods by the label 'role', and catflap does not add this label "
                "to Pods that have only an alias; set fillFromAliases: true"
            )
        ]
        assert faults(left) == []
        assert faults("workloads: {fillFromAliases: true}", network(Flow())) == []
        assert faults("workloads: {fillFromAliases: false, role: {aliases: []}}", network(Flow())) == []


class TestLabels:
    """Test the labels that Pods must have."""

    @pytest.mark.parametrize(
        ("app", "role", "fault"),
        [
            ("{}", "{label: app}", "role.label: 'app' is also used by workloads.app.label"),
            ("{label: role}", "{}", "role.label: 'role' is also used by workloads.app.label"),
            ("{aliases: [a]}", "{aliases: [b, a]}", "role.aliases[1]: 'a' is also used by workloads.app.aliases[0]"),
            ("{aliases: [a]}", "{aliases: [app]}", "role.aliases[0]: 'app' is also used by workloads.app.label"),
            ("{label: a, aliases: [a]}", "{}", "app.aliases[0]: 'a' is also used by workloads.app.label"),
        ],
    )
    def test_a_label_says_one_thing(self, app: str, role: str, fault: str) -> None:
        """A label is the application's or the role's, not both."""
        assert faults(f"workloads: {{app: {app}, role: {role}}}") == [
            (f"workloads.{fault}; a label can have only one meaning")
        ]

    @pytest.mark.parametrize(
        ("line", "path"),
        [
            ("app: {label: pcns.team}", "app.label"),
            ("role: {aliases: [x, pcsa.role]}", "role.aliases[1]"),
            ("require: [{label: pcns.kubernetes.io/metadata.name, oneOf: [a]}]", "require[0].label"),
        ],
    )
    def test_no_label_is_calicos(self, line: str, path: str) -> None:
        """Pods cannot carry a label that Calico reserves."""
        [found] = faults(f"workloads: {{{line}}}")
        assert found.startswith(f"workloads.{path}: Calico uses 'pc")
        assert faults(f"workloads: {{{line}}}".replace("pcns.", "pcn.").replace("pcsa.", "pcs.")) == []

    @pytest.mark.parametrize(
        "key",
        [
            "pod-template-hash",
            "controller-revision-hash",
            "pod-template-generation",
            "statefulset.kubernetes.io/pod-name",
            "apps.kubernetes.io/pod-index",
            "batch.kubernetes.io/job-name",
            "batch.kubernetes.io/controller-uid",
            "batch.kubernetes.io/job-completion-index",
            "job-name",
            "controller-uid",
            "topology.kubernetes.io/zone",
            "kubernetes.io/metadata.name",
        ],
    )
    @pytest.mark.parametrize(
        ("line", "path"),
        [
            ("workloads: {app: {label: KEY}}", "workloads.app.label"),
            ("workloads: {app: {aliases: [x, KEY]}}", "workloads.app.aliases[1]"),
            ("workloads: {role: {label: KEY}}", "workloads.role.label"),
            ("workloads: {role: {aliases: [KEY]}}", "workloads.role.aliases[0]"),
            ("workloads: {require: [{label: KEY, oneOf: [a]}]}", "workloads.require[0].label"),
            ("namespaces: {environment: {label: KEY}}", "namespaces.environment.label"),
        ],
    )
    def test_no_label_is_one_that_kubernetes_writes(self, line: str, path: str, key: str) -> None:
        """Users do not choose its value, and a Pod gets it after its review."""
        [found] = faults(line.replace("KEY", key))
        assert found.startswith(f"{path}: {key!r} is set by the ")
        assert found.endswith("so users cannot choose its value; name another label")
        assert faults(line.replace("KEY", f"example.com/{key.replace('/', '-')}")) == []

    @pytest.mark.parametrize(
        ("first", "second", "told"),
        [
            ("oneOf: [a, b]", "oneOf: [c]", True),
            ("oneOf: [a, b]", "oneOf: [b, c]", False),
            ("oneOf: [a, b]", "matches: '[0-9]'", True),
            ("matches: '[0-9]'", "oneOf: [a, '7']", False),
            ("matches: '[0-9]'", "matches: '[a-z]'", False),
        ],
    )
    def test_a_label_that_is_required_twice_can_be_set(self, first: str, second: str, *, told: bool) -> None:
        """Two patterns are accepted, because catflap cannot compare them."""
        found = faults(
            f"workloads: {{require: [{{label: team, {first}}}, {{label: x, oneOf: [q]}}, {{label: team, {second}}}]}}"
        )
        fault = "workloads.require[2]: no value of 'team' satisfies both this requirement and workloads.require[0]"
        assert found == ([fault] if told else [])

    @pytest.mark.parametrize(
        ("required", "refused"),
        [
            ("label: role, oneOf: [frontend, backend]", "data"),
            ("label: role, matches: '.*end'", "data"),
            ("label: role, oneOf: [data, backend, frontend, x]", ""),
            ("label: app.kubernetes.io/component, oneOf: [web, queue]", ""),
            ("label: app.kubernetes.io/component, oneOf: [frontend]", ""),
            ("label: app, oneOf: [web]", ""),
        ],
    )
    def test_the_roles_label_is_not_required_to_be_something_else(self, required: str, refused: str) -> None:
        """An alias may have another requirement, because the role's own label takes precedence."""
        found = faults(f"workloads: {{require: [{{{required}}}]}}")
        told = [f"workloads.require[0]: no Pod can have the role {refused!r}"] if refused else []
        assert [fault.partition(": this requirement")[0] for fault in found] == told


class TestEnvironments:
    """Test the label of environments, and connections between environments."""

    def test_a_flow_across_an_environment_needs_one(self) -> None:
        """Without environments it would be a flow inside of namespaces."""
        flows = network(Flow(), Flow(across=True))
        assert faults(flows) == [
            ("network.flows[1].across: namespaces.environment.oneOf is empty; list the environments there")
        ]
        assert faults(ENVIRONMENTS, flows) == []
        assert faults(network(Flow(), Flow())) == []

    def test_our_own_label_tells_no_environments_apart(self) -> None:
        """A selector would require two values of one label."""
        lines = "namespaces: {environment: {label: catflap.dev/guard, oneOf: [enabled, test]}}"
        assert faults(lines) == [
            "namespaces.environment.label: catflap.dev/guard is the label of managed namespaces; name another label"
        ]
        assert faults(lines.replace("guard,", "guards,")) == []

    @pytest.mark.parametrize(
        ("source", "to"),
        [
            pytest.param("outside", "outside", id="outside, where nobody says what is inside"),
            pytest.param("outside", cidrs("::/0"), id="outside and everywhere"),
            pytest.param(cidrs("0.0.0.0/0"), cidrs("10.0.0.0/8", "0.0.0.0/0"), id="everywhere and everywhere"),
        ],
    )
    def test_networks_lead_out_of_an_environment(self, source: str, to: str) -> None:
        """If no setting names the networks of Pods, a list of all addresses includes them."""
        flows = Flow("frontend", to), Flow(source, "backend")
        assert faults(ENVIRONMENTS, network(*flows)) == [
            (
                "network.flows[1]: with network.flows[0] this flow connects two environments on 80/TCP, "
                f"{OUT_OF_ENVIRONMENT}"
            )
        ]
        assert faults(network(*flows)) == []
        assert faults(ENVIRONMENTS, network(flows[0])) == []
        assert faults(ENVIRONMENTS, network(flows[1])) == []

    @pytest.mark.parametrize(
        ("inward", "outward", "shared"),
        [
            pytest.param("443/TCP", "443/TCP", "443/TCP", id="a port"),
            pytest.param("443/TCP", "80/TCP, 400-500/TCP", "443/TCP", id="a port in a range"),
            pytest.param("1-100/UDP", "100-200/UDP", "100/UDP", id="the last of one range, the first of the other"),
            pytest.param("443/TCP", "443/UDP", "", id="another protocol"),
            pytest.param("1-100/TCP", "101-200/TCP", "", id="ranges side by side"),
        ],
    )
    def test_they_lead_out_on_a_shared_port_alone(self, inward: str, outward: str, shared: str) -> None:
        """The flows must share a port of one protocol."""
        found = faults(ENVIRONMENTS, network(Flow("outside", "frontend", inward), Flow("backend", "outside", outward)))
        message = f"network.flows[0]: with network.flows[1] this flow connects two environments on {shared}, "
        assert found == ([f"{message}{OUT_OF_ENVIRONMENT}"] if shared else [])

    @pytest.mark.parametrize(
        ("source", "to", "leads"),
        [
            pytest.param(cidrs("10.1.0.0/16"), cidrs("10.0.0.0/7"), True, id="networks of Pods at both ends"),
            pytest.param(cidrs("192.0.2.0/24", "10.1.0.0/16"), cidrs("10.2.0.0/16"), True, id="among others"),
            pytest.param("outside", cidrs("10.2.0.0/16"), False, id="from where no Pod is"),
            pytest.param(cidrs("10.2.0.0/16"), "outside", False, id="to where no Pod is"),
            pytest.param("outside", "outside", False, id="from and to where no Pod is"),
            pytest.param(cidrs("192.0.2.0/24"), cidrs("10.2.0.0/16"), False, id="a network beyond the cluster"),
            pytest.param(cidrs("10.2.0.0/16"), cidrs("11.0.0.0/8"), False, id="one beside it"),
            pytest.param(cidrs("fd00::/8"), cidrs("fd00::/8"), False, id="IPv6, of which nobody told"),
            pytest.param(cidrs("::/0"), cidrs("::/0"), True, id="all of IPv6, of which nobody told"),
        ],
    )
    def test_a_known_cluster_tells_which_networks_are_of_pods(self, source: str, to: str, leads: bool) -> None:
        """The file names them for its IP versions."""
        flows = Flow(source, "backend"), Flow("frontend", to)
        found = faults(ENVIRONMENTS, network(*flows, rest="clusterCIDRs: [10.0.0.0/8]"))
        assert [fault.partition(":")[0] for fault in found] == (["network.flows[0]"] if leads else [])

    def test_each_flow_that_leads_out_is_told_of_once(self) -> None:
        """The fault names one other flow, and flows that lead nowhere have no fault."""
        ways_in = [Flow("outside", "backend", port) for port in ("80/TCP", "1-99/TCP", "443/TCP", "53/UDP")]
        ways_out = [Flow("backend", "outside", port) for port in ("80/TCP", "81/TCP", "82-443/TCP")]
        found = faults(ENVIRONMENTS, network(*ways_in, *ways_out))
        told = [fault.partition(" this flow connects")[0] for fault in found]
        assert told == [
            "network.flows[0]: with network.flows[4]",
            "network.flows[1]: with network.flows[6]",
            "network.flows[2]: with network.flows[6]",
            "network.flows[5]: with network.flows[1]",
        ]

    def test_a_cluster_that_is_everywhere_has_no_outside(self) -> None:
        """This is a fault only if a flow names the outside."""
        everywhere = "clusterCIDRs: [0.0.0.0/1, 128.0.0.0/1]"
        assert faults(network(Flow("outside"), rest=everywhere)) == [
            "network.clusterCIDRs: these networks contain every address, so no address is left for outside"
        ]
        assert faults(network(Flow(), rest=everywhere)) == []
        assert faults(network(Flow("outside"), rest="clusterCIDRs: [0.0.0.0/1, 128.0.0.0/2]")) == []
        assert faults(network(Flow("outside"), rest="clusterCIDRs: [0.0.0.0/1, 128.0.0.0/1, 'fd00::/8']")) == []


class TestLengths:
    """Test the limits of Calico selectors."""

    def test_the_namespaces_of_an_end_fit_into_a_selector(self) -> None:
        """The environment is part of the same selector."""

        def end(longest: int) -> str:
            return f"{{namespaces: [{', '.join(name * 63 for name in 'abcdefghijklmn')}, {'z' * longest}]}}"

        spaces = "environment == '' && kubernetes.io/metadata.name in {}"
        fits = LONGEST - len(spaces) - 14 * len(f"'{'a' * 63}', ") - len("''")
        assert 0 < fits < 63
        assert faults(network(Flow(end(fits)))) == []
        (fault,) = faults(network(Flow(), Flow(end(fits + 1))))
        assert fault.startswith(
            f"network.flows[1].from: the selector has {LONGEST + 1} characters, and the limit of Calico is "
            f"{LONGEST}: environment == ''"
        )
        assert faults(ENVIRONMENTS, network(Flow(end(fits - len("production"))))) == []
        assert len(faults(ENVIRONMENTS, network(Flow(to=end(fits))))) == 1

    @pytest.mark.parametrize("key", ["namespaceLabels", "podLabels"])
    def test_the_labels_of_a_name_server_fit_into_a_selector(self, key: str) -> None:
        """Each of the two selectors has the limit separately."""

        def dns(count: int) -> str:
            many = ", ".join(f"label-{number:02}: {'v' * 63}" for number in range(count))
            other = {"namespaceLabels": "podLabels", "podLabels": "namespaceLabels"}[key]
            return f"network: {{dns: [{{cidrs: [10.0.0.0/8]}}, {{{key}: {{{many}}}, {other}: {{a: b}}}}]}}"

        length = len(f"label-00 == '{'v' * 63}'") + len(" && ")
        assert faults(dns(LONGEST // length)) == []
        (fault,) = faults(dns(LONGEST // length + 1))
        assert fault.startswith(f"network.dns[1].{key}: the selector has ")


class TestWindows:
    """Test the settings that a Windows node skips."""

    @pytest.mark.parametrize(
        ("lines", "path", "says", "nearest"),
        [
            pytest.param(
                network(Flow(), Flow(ports="53/UDP, 9000/SCTP"), rest="windowsNodes: true"),
                "network.flows[1]",
                "SCTP: Windows nodes do not enforce SCTP",
                ("SCTP", "TCP"),
                id="a flow of SCTP",
            ),
            pytest.param(
                network(Flow(cidrs("10.0.0.0/8", "fd00::/8")), rest="windowsNodes: true"),
                "network.flows[0]",
                "fd00::/8: Windows nodes do not enforce IPv6 policies",
                ("fd00::/8", "11.0.0.0/8"),
                id="a flow from IPv6",
            ),
            pytest.param(
                network(Flow(to=cidrs("fd00::/8")), rest="windowsNodes: true"),
                "network.flows[0]",
                "fd00::/8: Windows nodes do not enforce IPv6 policies",
                ("fd00::/8", "10.0.0.0/8"),
                id="a flow to IPv6",
            ),
            pytest.param(
                "network: {dns: [{cidrs: [10.0.0.0/8]}, {cidrs: ['fd00::/8']}], windowsNodes: true}",
                "network.dns[1]",
                "fd00::/8: Windows nodes do not enforce IPv6 policies",
                ("fd00::/8", "11.0.0.0/8"),
                id="a name server's network",
            ),
            pytest.param(
                "network: {dns: [{cidrs: [10.0.0.0/8], ports: [53/UDP, 53/SCTP]}], windowsNodes: true}",
                "network.dns[0]",
                "SCTP: Windows nodes do not enforce SCTP",
                ("SCTP", "TCP"),
                id="a name server's port",
            ),
            pytest.param(
                "network: {clusterCIDRs: [10.0.0.0/8, 'fd00::/8'], windowsNodes: true}",
                "network.clusterCIDRs",
                "fd00::/8: Windows nodes do not enforce IPv6 policies",
                ("fd00::/8", "11.0.0.0/8"),
                id="the cluster's networks",
            ),
            pytest.param(
                "network: {nodeCIDRs: ['fd00::/8'], windowsNodes: true}",
                "network.nodeCIDRs",
                "fd00::/8: Windows nodes do not enforce IPv6 policies",
                ("fd00::/8", "11.0.0.0/8"),
                id="the nodes' networks",
            ),
        ],
    )
    def test_what_they_cannot_enforce_is_refused(
        self, lines: str, path: str, says: str, nearest: tuple[str, str]
    ) -> None:
        """The fault appears in every section that has addresses or ports."""
        assert faults(lines) == [f"{path}: {says} (network.windowsNodes)"]
        assert faults(lines.replace("windowsNodes: true", "windowsNodes: false")) == []
        assert faults(lines.replace(*nearest)) == []

    def test_outside_is_ipv4_there(self) -> None:
        """The outside is IPv4 only, so a flow may name it."""
        assert faults(network(Flow(to="outside"), rest="windowsNodes: true")) == []


class TestPresets:
    """Test the requirements of presets."""

    def test_probes_come_from_networks_that_somebody_names(self) -> None:
        """Only the policy file can name these networks."""
        assert faults("network: {presets: [istio, kubelet-probes]}") == [
            "network.nodeCIDRs: the preset kubelet-probes allows connections from nodes: list the networks of the nodes"
        ]
        assert faults("network: {presets: [istio, kubelet-probes], nodeCIDRs: [10.0.0.0/16]}") == []
        assert faults("network: {presets: [istio]}") == []


class TestKinds:
    """Test the settings that only Calico supports."""

    @pytest.mark.parametrize("engine", ["kubernetes", "none"])
    def test_staged_policies_need_calico(self, engine: str) -> None:
        """The engine is set by name or detected in the cluster."""
        assert faults(f"network: {{staged: true, engine: {engine}}}") == [
            f"network.staged: the engine {engine!r} has no staged policies; set network.engine: calico"
        ]
        assert faults(f"network: {{staged: false, engine: {engine}}}") == []
        assert faults("network: {staged: true, engine: calico}") == []
        assert faults("network: {staged: true, engine: auto}") == []

    @pytest.mark.parametrize("engine", ["kubernetes", "none"])
    def test_the_cluster_wide_default_deny_needs_calico(self, engine: str) -> None:
        """The engine is set by name or detected in the cluster."""
        assert faults(INCLUDED, f"network: {{clusterWideDefaultDeny: true, engine: {engine}}}") == [
            f"network.clusterWideDefaultDeny: the engine {engine!r} has no GlobalNetworkPolicy; set network.engine: calico"
        ]
        assert faults(INCLUDED, f"network: {{clusterWideDefaultDeny: false, engine: {engine}}}") == []
        assert faults(INCLUDED, "network: {clusterWideDefaultDeny: true, engine: calico}") == []
        assert faults(INCLUDED, "network: {clusterWideDefaultDeny: true, engine: auto}") == []

    @pytest.mark.parametrize("included", ["none", "[team-*]"])
    def test_the_cluster_wide_default_deny_isolates_older_namespaces_too(self, included: str) -> None:
        """The file must therefore include all namespaces."""
        assert faults(f"namespaces: {{includeExisting: {included}}}", "network: {clusterWideDefaultDeny: true}") == [
            (
                "network.clusterWideDefaultDeny: it isolates every namespace, also existing ones, so it needs "
                "namespaces.includeExisting: all"
            )
        ]
        assert faults(f"namespaces: {{includeExisting: {included}}}", "network: {clusterWideDefaultDeny: false}") == []

    def test_the_exempt_namespaces_fit_into_the_selector_of_the_cluster_wide_default_deny(self) -> None:
        """The selector also has the namespaces that are always exempt, and the longest name of catflap's own."""

        def exempt(length: int, *, net: str = "true") -> list[str]:
            names = ", ".join([*(letter * 63 for letter in "abcdefghijkl"), "z" * length])
            return faults(
                f"namespaces: {{includeExisting: all, exempt: [{names}]}}",
                f"network: {{clusterWideDefaultDeny: {net}}}",
            )

        label = "projectcalico.org/namespace"
        names = (*ALWAYS_EXEMPT, *("a" * 63,) * 13, "")
        fits = LONGEST - len(f"has({label}) && {label} not in {{{', '.join(map(repr, names))}}}")
        assert 0 < fits < 63
        assert exempt(fits) == []
        (fault,) = exempt(fits + 1)
        assert fault.startswith(
            f"namespaces.exempt: too many for network.clusterWideDefaultDeny: the selector has {LONGEST + 1} characters"
        )
        assert exempt(fits + 1, net="false") == []


def test_an_exception_is_from_a_rule_that_there_is() -> None:
    """An unknown rule is a fault, with the nearest rule as a proposal."""
    line = "{{rule: {}, namespace: shop, owner: ann, reason: old, until: 2026-12-31}}"
    good, bad = line.format("require-app"), line.format("require-ap")
    assert faults(f"exceptions: [{good}, {bad}]") == [
        "exceptions[1].rule: unknown rule 'require-ap'; did you mean 'require-app'?"
    ]
    assert faults(f"exceptions: [{good}]") == []


def test_every_contradiction_is_told_at_once() -> None:
    """Users can correct all of them together."""
    found = faults(
        "rules: {require-ap: warn}",
        "workloads: {fillFromAliases: false, role: {oneOf: [outside, Web, web]}}",
        "namespaces: {environment: {label: catflap.dev/guard}}",
        network(
            Flow("Web", "weeb", "80/TCP, 80/SCTP"),
            Flow("outside", "web", across=False),
            Flow("web", "web", across=True),
            rest="clusterCIDRs: [0.0.0.0/0], windowsNodes: true, presets: [kubelet-probes], staged: true, "
            "clusterWideDefaultDeny: true, engine: kubernetes",
        ),
        "exceptions: [{rule: x, namespace: shop, owner: ann, reason: old, until: 2026-12-31}]",
    )
    assert [fault.partition(":")[0] for fault in found] == [
        "rules.require-ap",
        "workloads.fillFromAliases",
        "workloads.role.oneOf[0]",
        "namespaces.environment.label",
        "network.nodeCIDRs",
        "network.flows[0]",
        "network.flows[0].from",
        "network.flows[0].to",
        "network.flows[2].across",
        "network.clusterCIDRs",
        "network.staged",
        "network.clusterWideDefaultDeny",
        "network.clusterWideDefaultDeny",
        "exceptions[0].rule",
    ]


class TestOverrides:
    """Test the namespaces and labels that an override may select."""

    @pytest.mark.parametrize(
        ("override", "fault"),
        [
            ("labels: {catflap.dev/guard: enabled}, mode: audit", (".labels.catflap.dev/guard: it is the label of "
                                                                  "managed namespaces; name another label")),
            ("labels: {kubernetes.io/metadata.name: shop}, mode: audit", (".labels.kubernetes.io/metadata.name: "
                                                                         "every namespace has this label; use "
                                                                         "names instead")),
            ("mode: audit", ": give names or labels; for every namespace, set mode or rules at the top of the file"),
            ("names: [shop]", ": give mode or rules"),
            ("names: [shop], rules: {known-rol: warn}", (".rules.known-rol: unknown rule 'known-rol'; did you mean "
                                                        "'known-role'?")),
        ],
    )  # fmt: skip
    def test_it_says_where_and_what(self, override: str, fault: str) -> None:
        """The file has one fault, with its path."""
        [found] = faults(f"namespaces: {{overrides: [{{{override}}}]}}")
        assert found.startswith(f"namespaces.overrides[0]{fault}")

    def test_an_environment_is_one_that_there_is(self) -> None:
        """A misspelt environment would select no namespace, and the user would not notice."""
        lines = "namespaces: {environment: {oneOf: [production, test]}, overrides: [{labels: {environment: tst}, mode: audit}]}"
        assert faults(lines) == [
            "namespaces.overrides[0].labels.environment: unknown environment 'tst'; did you mean 'test'?"
        ]
        assert faults(lines.replace("tst", "test")) == []

    def test_a_good_one(self) -> None:
        """One override uses every way to select."""
        assert (
            faults(
                "namespaces: {overrides: [{names: [a, 'b-*'], labels: {c: d}, mode: warn, rules: {known-role: enforce}}]}"
            )
            == []
        )


class TestExempt:
    """Test that exemptions apply to few users."""

    @pytest.mark.parametrize(
        "whom",
        [
            "groups: [system:authenticated]",
            "groups: [system:serviceaccounts]",
            "groups: [system:serviceaccounts:kube-system]",
            "users: [system:kube-controller-manager]",
            "users: [system:serviceaccount:kube-system:replicaset-controller]",
            "serviceAccounts: [kube-system/job-controller]",
        ],
    )
    def test_everybody_and_kubernetes_controllers(self, whom: str) -> None:
        """Every user who may make a Deployment makes Pods through these accounts."""
        key = whom.partition(":")[0]
        [found] = faults(f"exempt: {{{whom}}}")
        assert found.startswith(f"exempt.{key}[0]: ")

    @pytest.mark.parametrize(
        "whom", ["groups: [system:serviceaccounts:flux-system]", "users: [ann]", "serviceAccounts: [flux-system/helm]"]
    )
    def test_somebody(self, whom: str) -> None:
        """A person, a program or the accounts of one namespace may be exempt."""
        assert faults(f"exempt: {{{whom}}}") == []


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (
            "breakGlass: {groups: [sre, GROUP]}",
            ("breakGlass.groups[1]: GROUP contains all users: name groups with few members"),
        ),
        (
            "namespaces: {labelledBy: [sre, GROUP]}",
            (
                "namespaces.labelledBy[1]: GROUP contains all users: these labels determine the rules for a namespace; "
                "name groups with few members"
            ),
        ),
        (
            "namespaces: {reserved: {groups: [sre, GROUP]}}",
            (
                "namespaces.reserved.groups[1]: GROUP contains all users: the rules do not apply in these namespaces; "
                "name groups with few members"
            ),
        ),
        (
            "exempt: {groups: [sre, GROUP]}",
            ("exempt.groups[1]: GROUP contains all users: no rule would apply to any user"),
        ),
    ],
)
@pytest.mark.parametrize(
    "group", ["system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:nodes"]
)
def test_what_some_may_do_is_not_for_all(lines: str, fault: str, group: str) -> None:
    """A right of all users would have no effect as a limit."""
    assert faults(lines.replace("GROUP", group)) == [fault.replace("GROUP", group)]
    assert faults(lines.replace("GROUP", f"{group}:shop")) == []


class TestClaims:
    """Test roles with claims."""

    def test_they_are_roles_that_there_are(self) -> None:
        """An unknown role is a fault, with the nearest role as a proposal."""
        assert faults("roles: {dta: {claim: {namespaces: [shop]}}}") == [
            "roles.dta: unknown role 'dta'; did you mean 'data'?"
        ]
        assert faults("roles: {data: {claim: {namespaces: [shop], serviceAccounts: [shop/store]}}}") == []

    def test_accounts_are_in_the_namespaces_that_claim(self) -> None:
        """If a claim has both lists, a Pod must match both."""
        claim = (
            "roles: {data: {claim: {namespaces: [shop, team-*], serviceAccounts: [shop/a, team-b/a, team/a, other/a]}}}"
        )
        assert faults(claim) == [
            (
                "roles.data.claim.serviceAccounts[2]: no Pod of team/a can have the role, because 'team' does not "
                "match the namespaces of the claim"
            ),
            (
                "roles.data.claim.serviceAccounts[3]: no Pod of other/a can have the role, because 'other' does not "
                "match the namespaces of the claim"
            ),
        ]

    def test_an_account_has_a_namespace(self) -> None:
        """Without a namespace, every user could create an account of that name."""
        [found] = faults("roles: {data: {claim: {serviceAccounts: [store]}}}")
        assert found.startswith(
            "roles.data.claim.serviceAccounts[0]: 'store' is not a valid ServiceAccount: write namespace/name"
        )


class TestUnjudged:
    """Test settings with which no rule would judge some Pods."""

    def test_where_templates_are_not_judged_all_pods_are(self) -> None:
        """Otherwise an edit of an old owner could bring new Pods without a review."""
        assert faults("workloads: {scope: object, existingWorkloads: judge}") == []
        assert faults("workloads: {scope: both}") == []
        [found] = faults("workloads: {scope: object}")
        assert found.startswith(
            "workloads.existingWorkloads: with workloads.scope: object, catflap checks no pod template"
        )
