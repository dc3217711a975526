"""Which policies are to stand where, and what a cluster lacks for them."""

from typing import Final

from msgspec import Struct

from webhook.config.parse import Loaded
from webhook.guard.isolation import is_managed
from webhook.kube.surroundings import Surroundings
from webhook.model.names import DEFAULT_DENY
from webhook.model.namespace import Namespace
from webhook.netpol.intent import Engine
from webhook.netpol.manifest import Birth, Manifest
from webhook.netpol.render import render, render_net

NOWHERE: Final = ""  # the namespace of what is in none
STAGED: Final = "stagednetworkpolicies"


class Wanted(Struct, frozen=True):
    """Says what is wanted in a cluster whose catflap runs in `own_namespace`."""

    own_namespace: str

    def guarded(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> bool:
        """Whether a namespace is to be closed."""
        return is_managed(
            namespace, loaded.policy, isolation_since=around.closed_since, own_namespace=self.own_namespace
        )

    def within(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> tuple[Manifest, ...]:
        """What is to stand in a namespace: nothing where it is left alone, or where its policies cannot be staged."""
        if not self.guarded(namespace, loaded, around) or cannot_stage(loaded, around):
            return ()
        environment = loaded.policy.namespaces.environment_of(namespace.labels)
        birth = Birth(namespace.name, namespace.uid, loaded.digest, environment)
        return render(loaded.policy, birth, around.engine, detected_dns=around.detected_dns)

    def below(self, loaded: Loaded, around: Surroundings) -> tuple[Manifest, ...]:
        """The net below all namespaces, if it is to stand."""
        if cannot_stage(loaded, around):
            return ()
        exempt = {*loaded.policy.namespaces.exempted, self.own_namespace}
        birth = Birth(NOWHERE, "", loaded.digest)
        return render_net(loaded.policy, birth, around.engine, exempt=exempt, detected_dns=around.detected_dns)


def is_default_deny(manifest: Manifest) -> bool:
    """Whether a manifest is the policy that closes a namespace, and enforces it."""
    return (manifest["kind"], manifest["metadata"]["name"]) == ("NetworkPolicy", DEFAULT_DENY)


def cannot_stage(loaded: Loaded, around: Surroundings) -> bool:
    """Whether the policy file wants staged policies of a cluster that has none: closing it instead was not asked for."""
    return loaded.policy.network.staged and (around.engine is not Engine.CALICO or STAGED not in around.calico)


def lacking(loaded: Loaded, around: Surroundings) -> str:
    """What the policy file wants and this cluster does not have, in words; empty where nothing is."""
    if cannot_stage(loaded, around):
        return "network.staged: this cluster takes no staged policies of Calico's, so no policy is written at all"
    if loaded.policy.network.standing_net and around.engine is not Engine.CALICO:
        return "network.standingNet: this cluster takes no GlobalNetworkPolicy; namespaces are closed one by one"
    return ""
