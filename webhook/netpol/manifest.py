"""What every manifest of ours has in common."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from webhook.model.names import MANAGED_BY, MANAGED_BY_LABEL, NAMESPACE_UID_ANNOTATION, POLICY_DIGEST_ANNOTATION

Manifest = Mapping[str, Any]


class RenderTarget(Struct, frozen=True):
    """Where a manifest goes and what made it.

    `namespace_uid` is empty where no cluster was asked, `namespace` for what stands in none; `environment` is the one
    that the namespace is in, if it is in any.
    """

    namespace: str
    namespace_uid: str
    policy_digest: str
    environment: str = ""


def metadata(name: str, birth: RenderTarget, *, labels: Mapping[str, str]) -> dict[str, Any]:
    """The metadata of one manifest; `labels` are the engine's own."""
    annotations = {POLICY_DIGEST_ANNOTATION: birth.policy_digest}
    if birth.namespace_uid:
        annotations[NAMESPACE_UID_ANNOTATION] = birth.namespace_uid
    return {
        "name": name,
        **({"namespace": birth.namespace} if birth.namespace else {}),
        "labels": {MANAGED_BY_LABEL: MANAGED_BY, **labels},
        "annotations": annotations,
    }
