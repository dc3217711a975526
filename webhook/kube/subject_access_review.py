"""What a user may see, as the API server's own authorizers say (SubjectAccessReview)."""

from collections.abc import Iterable

from webhook.kube.api import Api
from webhook.model.request import User

PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

Resource = tuple[str, str]  # its group and its plural


def may_list(api: Api, user: User, resources: Iterable[Resource]) -> bool:
    """Whether a user may list all of these in all namespaces; the groups are those that the review carries.

    Raises ApiError, also where we have no right to ask.
    """
    return all(allowed(api, user, group, plural) for group, plural in resources)


def allowed(api: Api, user: User, group: str, plural: str) -> bool:
    """Whether a user may list one resource in all namespaces.  Raises ApiError."""
    spec = {
        "user": user.name,
        "groups": list(user.groups),
        "resourceAttributes": {"group": group, "resource": plural, "verb": "list"},
    }
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = api.create(PATH, body) or {}
    return (answer.get("status") or {}).get("allowed") is True
