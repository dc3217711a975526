"""No Pod uses the network of its node, where network policies have no effect.

A HostProcess Pod on Windows always uses the network of its node. If a Pod needs this network, such as a node exporter, an
administrator can write an exception in the policy file.
"""

from collections.abc import Iterator
from typing import Final

from webhook.model.policy import GuardPolicy
from webhook.model.rule import Rule, RuleFinding
from webhook.model.workload import Workload

MEND: Final = "remove hostNetwork, or ask an administrator for an exception"


def unpoliced(workload: Workload, policy: GuardPolicy) -> Iterator[RuleFinding]:  # noqa: ARG001 (a rule)
    """Yield the Pods in the node's network. Windows HostProcess Pods are always in it, and must declare it.

    https://kubernetes.io/docs/concepts/services-networking/network-policies/#networkpolicy-and-hostnetwork-pods,
    https://kubernetes.io/docs/tasks/configure-pod-container/create-hostprocess-pod/
    """
    for place in workload.places:
        if place.host_network:
            path = f"{place.spec_path}hostNetwork"
            yield RuleFinding(
                path, f"the Pod would use the network of its node, where network policies do not apply; {MEND}"
            )


RULE = Rule(id="no-host-network", since="0.1", check=unpoliced, managed_only=True)
