"""Prevents the controller from changing its registration for a while, so that a test can change it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.cluster.installation import NAMESPACE, WEBHOOKS, eventually
from tests.controlplane.client import Answer
from tests.controlplane.cluster import Cluster

GROUP: Final = "/apis/admissionregistration.k8s.io/v1"
ACCOUNT: Final = f"system:serviceaccount:{NAMESPACE}:catflap-controller"
MESSAGE: Final = "the registration is frozen"
KINDS: Final = ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]


@contextmanager
def frozen_registration(cluster: Cluster) -> Iterator[None]:
    """Reject every change of the registration by the controller, by an administrator's admission policy."""
    rule = {"apiGroups": ["admissionregistration.k8s.io"], "apiVersions": ["v1"], "operations": ["UPDATE"]}
    spec = {
        "matchConstraints": {"resourceRules": [{**rule, "resources": KINDS}]},
        "matchConditions": [{"name": "controller", "expression": f"request.userInfo.username == '{ACCOUNT}'"}],
        "validations": [{"expression": "false", "message": MESSAGE}],
    }
    binding = {"policyName": "frozen", "validationActions": ["Deny"]}
    metadata = {"name": "frozen"}
    cluster.api("POST", f"{GROUP}/validatingadmissionpolicies", {"metadata": metadata, "spec": spec})
    cluster.api("POST", f"{GROUP}/validatingadmissionpolicybindings", {"metadata": metadata, "spec": binding})
    try:
        eventually(lambda: try_change(cluster), until=lambda answer: MESSAGE in str(answer.body))
        yield
    finally:
        cluster.api("DELETE", f"{GROUP}/validatingadmissionpolicybindings/frozen")
        cluster.api("DELETE", f"{GROUP}/validatingadmissionpolicies/frozen")
        eventually(lambda: try_change(cluster), until=lambda answer: MESSAGE not in str(answer.body))


def try_change(cluster: Cluster) -> Answer:
    """Return the API server's answer to a dry-run change by the controller."""
    where = WEBHOOKS.format("validating")
    found = cluster.api("GET", where)
    return cluster.call("PUT", f"{where}?dryRun=All", found, as_user=ACCOUNT)
