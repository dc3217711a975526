"""List which namespaces of a cluster are closed now: by the whole spec of the stored policy, never by a label."""

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from webhook.admission.isolation import is_managed
from webhook.kube.api import Api
from webhook.kube.install_record import InstallRecord
from webhook.kube.namespaces import NAMESPACES_PATH, parse_namespace
from webhook.kube.policies import kind_of, matches_spec, own_policies
from webhook.model.names import DEFAULT_DENY
from webhook.model.policy import GuardPolicy
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import Manifest, RenderTarget
from webhook.netpol.render import render_namespace

DEFAULTS: Final = GuardPolicy.model_validate({"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy"})
ISOLATED, OPEN, EXEMPT, OLDER = "isolated", "OPEN", "exempt", "older than catflap, not included"


class NamespaceState(Struct, frozen=True):
    """The current state of a namespace."""

    name: str
    created: str
    state: str


class NamespaceStates(Struct, frozen=True):
    """The namespaces of a cluster at a time; the open ones come first."""

    at: str
    namespaces: tuple[NamespaceState, ...]

    def count(self, state: str) -> int:
        """Return how many namespaces have a state."""
        return sum(one.state == state for one in self.namespaces)

    @property
    def expected_isolated(self) -> int:
        """Return how many namespaces are closed or have to be."""
        return self.count(ISOLATED) + self.count(OPEN)


def read_namespace_states(api: Api, policy: GuardPolicy | None, *, own_namespace: str) -> NamespaceStates:
    """Return the state of all namespaces under a policy file or the defaults.  Raises ApiError."""
    now = datetime.now(UTC)
    policy = policy or DEFAULTS
    install_times = InstallRecord(api, own_namespace=own_namespace).read(api)
    since = install_times.isolation_since if install_times else now
    isolated = isolated_namespaces(api)
    found = []
    for one in (item for page in api.pages(NAMESPACES_PATH) for item in page["items"]):
        namespace = parse_namespace(one)
        if namespace.name in isolated:
            state = ISOLATED
        elif namespace.name == own_namespace or policy.namespaces.exempts(namespace.name):
            state = EXEMPT
        elif is_managed(namespace, policy, isolation_since=since, own_namespace=own_namespace):
            state = OPEN
        else:
            state = OLDER
        found.append(NamespaceState(namespace.name, namespace.created.isoformat(), state))
    found.sort(key=lambda one: (one.state != OPEN, one.state != OLDER, one.name))
    return NamespaceStates(now.isoformat(), tuple(found))


def isolated_namespaces(api: Api) -> frozenset[str]:
    """Return the namespaces with a correct default-deny policy of either engine.  Raises ApiError."""
    return frozenset(
        found["metadata"]["namespace"]
        for manifest in map(default_deny_policy, PolicyEngine)
        for found in own_policies(api, kind_of(manifest))
        if found["metadata"]["name"] == DEFAULT_DENY and matches_spec(found, manifest)
    )


def default_deny_policy(engine: PolicyEngine) -> Manifest:
    """Return an engine's policy that closes a namespace: it is the same in every namespace and under every file."""
    return render_namespace(DEFAULTS, RenderTarget("", "", ""), engine)[0]
