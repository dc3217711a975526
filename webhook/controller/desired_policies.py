"""Determines which network policies each namespace needs, and what the cluster does not support."""

from typing import Final

from msgspec import Struct

from webhook.admission.isolation import is_managed
from webhook.config.parse import Loaded
from webhook.kube.cluster_info import ClusterInfo
from webhook.model.names import DEFAULT_DENY
from webhook.model.namespace import Namespace
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import Manifest, RenderTarget
from webhook.netpol.render import render_cluster_wide, render_namespace

CLUSTER_SCOPE: Final = ""  # the namespace of cluster-scoped objects
STAGED: Final = "stagednetworkpolicies"


class DesiredPolicies(Struct, frozen=True):
    """Returns the desired policies in a cluster where catflap runs in `own_namespace`."""

    own_namespace: str

    def is_managed(self, namespace: Namespace, loaded: Loaded, around: ClusterInfo) -> bool:
        """Return whether a namespace is managed, so that it is isolated."""
        return is_managed(
            namespace, loaded.policy, isolation_since=around.isolation_since, own_namespace=self.own_namespace
        )

    def in_namespace(self, namespace: Namespace, loaded: Loaded, around: ClusterInfo) -> tuple[Manifest, ...]:
        """Return the policies of a namespace; none if it is not managed, or if the cluster has no staged policies that the file requires."""
        if not self.is_managed(namespace, loaded, around) or cannot_stage(loaded, around):
            return ()
        environment = loaded.policy.namespaces.environment_of(namespace.labels)
        birth = RenderTarget(namespace.name, namespace.uid, loaded.digest, environment)
        return render_namespace(loaded.policy, birth, around.engine, detected_dns=around.detected_dns)

    def cluster_wide(self, loaded: Loaded, around: ClusterInfo) -> tuple[Manifest, ...]:
        """Return the cluster-wide default deny, if the policy file asks for it."""
        if cannot_stage(loaded, around):
            return ()
        exempt = {*loaded.policy.namespaces.exempted, self.own_namespace}
        birth = RenderTarget(CLUSTER_SCOPE, "", loaded.digest)
        return render_cluster_wide(loaded.policy, birth, around.engine, exempt=exempt, detected_dns=around.detected_dns)


def is_default_deny(manifest: Manifest) -> bool:
    """Return whether a manifest is the enforced policy that isolates a namespace."""
    return (manifest["kind"], manifest["metadata"]["name"]) == ("NetworkPolicy", DEFAULT_DENY)


def cannot_stage(loaded: Loaded, around: ClusterInfo) -> bool:
    """Return whether the policy file requires staged policies and the cluster has none.

    Enforced policies in their place would isolate namespaces, which the file did not ask for.
    """
    return loaded.policy.network.staged and (around.engine is not PolicyEngine.CALICO or STAGED not in around.calico)


def unsupported_features(loaded: Loaded, around: ClusterInfo) -> str:
    """Return which setting of the policy file this cluster does not support; empty if there is none."""
    if cannot_stage(loaded, around):
        return "network.staged: this cluster does not serve staged policies of Calico, so catflap writes no policy"
    if loaded.policy.network.cluster_wide_default_deny and around.engine is not PolicyEngine.CALICO:
        return (
            "network.clusterWideDefaultDeny: this cluster does not serve GlobalNetworkPolicy; catflap isolates "
            "each namespace separately"
        )
    return ""
