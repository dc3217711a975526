"""Ask the API server for the identity and the permissions of this process."""

import logging
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import Struct

from webhook.kube.api import Api, ApiError, Json
from webhook.model.identity import Identities, identities
from webhook.model.names import ACCOUNTS_ANNOTATION

logger = logging.getLogger(__name__)

SELF_SUBJECT_REVIEWS: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
SELF_SUBJECT_ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
SERVICE_ACCOUNT: Final = "system:serviceaccount:"


class Permission(Struct, frozen=True):
    """One verb on one resource; an empty `name` or `namespace` means all.  `purpose` says why catflap needs it."""

    verb: str
    resource: str
    group: str = ""
    name: str = ""
    namespace: str = ""
    purpose: str = ""

    def __str__(self) -> str:
        """Return a text such as `update leases.coordination.k8s.io/catflap-controller in namespace catflap-system`."""
        of = f"{self.resource}.{self.group}" if self.group else self.resource
        named = f"{of}/{self.name}" if self.name else of
        return f"{self.verb} {named}{f' in namespace {self.namespace}' if self.namespace else ''}"

    @property
    def rule(self) -> str:
        """Return the RBAC rule that grants the permission."""
        names = f', resourceNames: ["{self.name}"]' if self.name else ""
        return f'{{apiGroups: ["{self.group}"], resources: ["{self.resource}"]{names}, verbs: ["{self.verb}"]}}'


def own_user(api: Api) -> str:
    """Return the user name under which the API server knows this process.  Raises ApiError."""
    made = (
        api.create(SELF_SUBJECT_REVIEWS, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}) or {}
    )
    return str(made["status"]["userInfo"]["username"])


def is_granted(api: Api, right: Permission) -> bool:
    """Return whether this process has a permission.  Raises ApiError."""
    resource, _, subresource = right.resource.partition("/")
    attributes = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": subresource}
    attributes |= {"name": right.name, "namespace": right.namespace}
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    made = api.create(SELF_SUBJECT_ACCESS_REVIEWS, {**kind, "spec": {"resourceAttributes": attributes}}) or {}
    return bool(made["status"]["allowed"])


def missing_permissions(api: Api, rights: Iterable[Permission]) -> Iterator[Permission]:
    """Yield those of the permissions that this process does not have.  Raises ApiError."""
    return (right for right in rights if not is_granted(api, right))


def registered_accounts(configuration: Json | None) -> Identities:
    """Return catflap's own accounts as the annotation of the webhook configuration lists them; none without annotation."""
    metadata = (configuration or {}).get("metadata") or {}
    try:
        users = msgspec.json.decode((metadata.get("annotations") or {}).get(ACCOUNTS_ANNOTATION, "[]"), type=list[str])
    except msgspec.MsgspecError:
        return Identities()
    return identities(users)


def accounts_annotation(accounts: Identities) -> str:
    """Return the annotation that lists the accounts."""
    return msgspec.json.encode(list(accounts.users)).decode()


class ProcessIdentity:
    """The user name of this process, asked of the API server until it answers.

    `chart` are the accounts that count where the API server does not serve this request, which exists since 1.28.
    """

    def __init__(self, chart: Identities) -> None:
        self._chart = chart
        self.user = ""
        self.others = Identities()

    @property
    def accounts(self) -> Identities:
        """Return every known account of catflap."""
        known = identities([*([self.user] if self.user else ()), *self.others.users])
        return known if known.users else self._chart

    def resolve(self, api: Api) -> None:
        """Ask for the user name of this process, unless it is known.  Raises ApiError."""
        if self.user:
            return
        try:
            self.user = own_user(api)
        except ApiError as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                raise
            logger.warning(
                "the API server did not return the user name of this process (%s); the process assumes one of %s",
                error,
                self._chart.users,
            )
            return
        logger.info("this process acts as %s", self.user)
        if not self.user.startswith(SERVICE_ACCOUNT):
            logger.warning(
                "%s is not a ServiceAccount: catflap does not check requests of this user for policies of catflap "
                "and labels of namespaces; give catflap its own ServiceAccount (docs/registration.md)",
                self.user,
            )
