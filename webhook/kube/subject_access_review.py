"""Check what a user may list, by a SubjectAccessReview of the API server."""

from collections.abc import Iterable

from webhook.kube.api import Api
from webhook.model.request import User

PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

Resource = tuple[str, str]  # its group and its plural


def may_list(api: Api, user: User, resources: Iterable[Resource]) -> bool:
    """Return whether a user may list all of these resources in all namespaces; the user's groups come from the review.

    Raises ApiError, also where this process may not create SubjectAccessReviews.
    """
    return all(may_list_resource(api, user, group, plural) for group, plural in resources)


def may_list_resource(api: Api, user: User, group: str, plural: str) -> bool:
    """Return whether a user may list one resource in all namespaces.  Raises ApiError."""
    spec = {
        "user": user.name,
        "groups": list(user.groups),
        "resourceAttributes": {"group": group, "resource": plural, "verb": "list"},
    }
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = api.create(PATH, body) or {}
    return (answer.get("status") or {}).get("allowed") is True
