"""The metadata that all manifests of catflap have in common."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from webhook.model.names import MANAGED_BY, MANAGED_BY_LABEL, NAMESPACE_UID_ANNOTATION, POLICY_DIGEST_ANNOTATION

Manifest = Mapping[str, Any]


class RenderTarget(Struct, frozen=True):
    """The namespace of a manifest and the digest of the policy file that it is rendered from.

    `namespace_uid` is empty without a cluster, `namespace` is empty for cluster-scoped policies, and `environment` is empty for a
    namespace outside of all environments.
    """

    namespace: str
    namespace_uid: str
    policy_digest: str
    environment: str = ""


def manifest_metadata(name: str, target: RenderTarget, *, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the metadata of one manifest; `labels` are those of the engine."""
    annotations = {POLICY_DIGEST_ANNOTATION: target.policy_digest}
    if target.namespace_uid:
        annotations[NAMESPACE_UID_ANNOTATION] = target.namespace_uid
    return {
        "name": name,
        **({"namespace": target.namespace} if target.namespace else {}),
        "labels": {MANAGED_BY_LABEL: MANAGED_BY, **labels},
        "annotations": annotations,
    }
