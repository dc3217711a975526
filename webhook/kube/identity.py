"""Who this process is to the API server, and what it may do there: asked, not assumed."""

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

WHO: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
MAY: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
SERVICE_ACCOUNT: Final = "system:serviceaccount:"


class Right(Struct, frozen=True):
    """One verb on one resource; `name` and `namespace` are empty where all are meant.  `purpose` is what it is for."""

    verb: str
    resource: str
    group: str = ""
    name: str = ""
    namespace: str = ""
    purpose: str = ""

    def __str__(self) -> str:
        """As people write it: `update leases.coordination.k8s.io/catflap-controller in namespace catflap-system`."""
        of = f"{self.resource}.{self.group}" if self.group else self.resource
        named = f"{of}/{self.name}" if self.name else of
        return f"{self.verb} {named}{f' in namespace {self.namespace}' if self.namespace else ''}"

    @property
    def rule(self) -> str:
        """The RBAC rule that grants it."""
        names = f', resourceNames: ["{self.name}"]' if self.name else ""
        return f'{{apiGroups: ["{self.group}"], resources: ["{self.resource}"]{names}, verbs: ["{self.verb}"]}}'


def own_user(api: Api) -> str:
    """The name under which the API server knows this process.  Raises ApiError."""
    made = api.create(WHO, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}) or {}
    return str(made["status"]["userInfo"]["username"])


def granted(api: Api, right: Right) -> bool:
    """Whether this process has a right.  Raises ApiError."""
    resource, _, subresource = right.resource.partition("/")
    attributes = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": subresource}
    attributes |= {"name": right.name, "namespace": right.namespace}
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    made = api.create(MAY, {**kind, "spec": {"resourceAttributes": attributes}}) or {}
    return bool(made["status"]["allowed"])


def missing_rights(api: Api, rights: Iterable[Right]) -> Iterator[Right]:
    """The rights that this process needs and does not have.  Raises ApiError."""
    return (right for right in rights if not granted(api, right))


def registered_accounts(configuration: Json | None) -> Identities:
    """The accounts that the registration takes for catflap's own, by its annotation; none where it has none."""
    metadata = (configuration or {}).get("metadata") or {}
    try:
        users = msgspec.json.decode((metadata.get("annotations") or {}).get(ACCOUNTS_ANNOTATION, "[]"), type=list[str])
    except msgspec.MsgspecError:
        return Identities()
    return identities(users)


def accounts_annotation(accounts: Identities) -> str:
    """The annotation that names the accounts."""
    return msgspec.json.encode(list(accounts.users)).decode()


class Acting:
    """Under which name this process acts: asked of the API server until it answered, then known.

    `chart` are the accounts that count where the API server cannot be asked: it has served this question since 1.28.
    """

    def __init__(self, chart: Identities) -> None:
        self._chart = chart
        self.user = ""
        self.others = Identities()

    @property
    def accounts(self) -> Identities:
        """Every account that is known to be catflap's own."""
        known = identities([*([self.user] if self.user else ()), *self.others.users])
        return known if known.users else self._chart

    def look(self, api: Api) -> None:
        """Ask who this process is, unless it is known.  Raises ApiError."""
        if self.user:
            return
        try:
            self.user = own_user(api)
        except ApiError as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                raise
            logger.warning(
                "this process cannot ask who it is (%s); it takes itself for one of %s", error, self._chart.users
            )
            return
        logger.info("this process acts as %s", self.user)
        if not self.user.startswith(SERVICE_ACCOUNT):
            logger.warning(
                "%s is no ServiceAccount: whatever is done under this name to catflap's policies and to namespaces' labels "
                "counts as catflap's own act and is not judged; give catflap an account of its own (docs/registration.md)",
                self.user,
            )
