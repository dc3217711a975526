"""List the objects of a cluster that the rules check, page by page."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import islice

from msgspec import Struct

from webhook.kube.api import NOT_FOUND, PAGE_SIZE, Api, ApiError, Json
from webhook.kube.namespaces import NAMESPACES_PATH as NAMESPACES
from webhook.kube.namespaces import namespace_path
from webhook.kube.paging import LARGEST_PAGE
from webhook.kube.paths import collection, under
from webhook.kube.policies import is_own_policy
from webhook.model.counting import counted
from webhook.model.kinds import (
    CALICO,
    CALICO_STORAGE,
    KUBERNETES_OWN,
    POD,
    POD_MAKERS,
    POLICY_KINDS,
    PodMaker,
    PolicyKind,
)

CORE = "v1"
# Workloads that run for long and have no owner.
LONG_RUNNING = frozenset(
    {("apps", "daemonsets"), ("apps", "deployments"), ("apps", "statefulsets"), ("batch", "cronjobs")}
)

BUILT_IN_RESOURCES = frozenset({"namespaces", *(f"{one.resource}.{one.group}".rstrip(".") for one in KUBERNETES_OWN)})

# Users do not read longer lists.
MOST_NAMED = 10
TOO_LARGE = f"the JSON has more than {LARGEST_PAGE // 2**20} MiB"

# While a page is decoded, no other thread runs: 20 to 50 ms for so many Deployments; each page costs a read of etcd.
SMALL_PAGE = 250
MOST_PAGES = 2


class ListProgress(Struct, frozen=True):
    """The progress of a list: the objects read so far, and the API server's estimate of the remaining ones."""

    resource: str
    objects: int
    remaining: int


class ObjectLister:
    """Lists all workloads, and the network policies of users, in some namespaces or in all.

    Kinds that the cluster does not serve are skipped. `unlisted` has the resources that could not be listed, with the reason.
    `failed` says whether one of them is more than a vendor's kind without a permission. `on_page` is called after each page of at
    most `size` objects.
    """

    def __init__(
        self,
        api: Api,
        *,
        namespaces: Iterable[str] = (),
        makers: Iterable[PodMaker] = POD_MAKERS,
        size: int = PAGE_SIZE,
        on_page: Callable[[ListProgress], None] = lambda _: None,
    ) -> None:
        self.unlisted: list[str] = []
        self.failed = False
        self._size = size
        self._api = api
        self._namespaces = tuple(namespaces)
        self._makers = tuple(makers)
        self._on_page = on_page
        self._versions: dict[str, str] = {}

    def namespaces(self) -> Mapping[str, Json] | None:
        """Return the namespaces by name; None without the right to list them.  Raises ApiError where the API server does not answer."""
        try:
            if self._namespaces:
                one_by_one = {name: self._api.get(namespace_path(name)) for name in self._namespaces}
                self.unlisted += [f"namespace {name} does not exist" for name, one in one_by_one.items() if one is None]
                found = [one for one in one_by_one.values() if one is not None]
            else:
                found = [one for page in self._api.pages(NAMESPACES) for one in page["items"]]
        except ApiError as error:
            self.record_failure("namespaces", error)
            return None
        return {one["metadata"]["name"]: one for one in found}

    def objects(self) -> Iterator[Json]:
        """Yield each object with its kind, owners before their Pods.  Raises ApiError where the API server does not answer."""
        for maker in sorted(self._makers, key=lambda one: one == POD):
            yield from self._of(maker)
        calico = False
        for kind in sorted(POLICY_KINDS, key=lambda one: one.group == CALICO_STORAGE):
            if kind.staged or (calico and kind.group == CALICO_STORAGE):
                continue  # Calico's API server stores its policies under other names there
            for found in self._of(kind):
                calico = calico or kind.group == CALICO
                if not is_own_policy(found):
                    yield found

    def _of(self, kind: PodMaker | PolicyKind) -> Iterator[Json]:
        if self._namespaces and isinstance(kind, PolicyKind) and not kind.namespaced:
            return
        resource = f"{kind.resource}.{kind.group}" if kind.group else kind.resource
        count = 0
        omitted: list[str] = []
        try:
            version = self._version(kind)
            for page in self._pages(version, kind.resource):
                count += len(page["items"])
                self._on_page(ListProgress(resource, count, page["metadata"].get("remainingItemCount") or 0))
                yield from ({**item, "apiVersion": version, "kind": kind.kind} for item in page["items"])
                omitted += page.get("omitted", ())
        except ApiError as error:
            if error.status != NOT_FOUND:
                self.record_failure(resource, error)
        self.unlisted += (f"{resource} {name}: {TOO_LARGE}" for name in omitted[:MOST_NAMED])
        if (more := len(omitted) - MOST_NAMED) > 0:
            self.unlisted.append(f"{resource}: {counted(more, 'more object')}: {TOO_LARGE}")

    def _pages(self, version: str, resource: str) -> Iterator[Json]:
        for name in self._namespaces or ("",):
            yield from self._api.pages(collection(version, resource, name), size=self._size)

    def _version(self, kind: PodMaker | PolicyKind) -> str:
        """Return the apiVersion of a kind: the one of catflap's table, or the cluster's preferred one.  Raises ApiError."""
        if isinstance(kind, PolicyKind):
            return f"{kind.group}/{kind.version}"
        if not kind.group:
            return CORE
        if kind.group not in self._versions:
            found = self._api.get(under("/apis", kind.group))
            if found is None:
                raise ApiError(NOT_FOUND, f"{kind.group} is not served")
            self._versions[kind.group] = found["preferredVersion"]["groupVersion"]
        return self._versions[kind.group]

    def record_failure(self, resource: str, error: ApiError) -> None:
        """Record in words that a resource could not be listed; raises the error where the API server does not answer."""
        if error.status in {0, HTTPStatus.UNAUTHORIZED}:
            raise error
        self.failed = self.failed or error.status != HTTPStatus.FORBIDDEN or resource in BUILT_IN_RESOURCES
        why = "the account may not list this resource" if error.status == HTTPStatus.FORBIDDEN else str(error)
        self.unlisted.append(f"{resource}: {why}")


class Page(Struct, frozen=True):
    """A part of a list; `more` names the resource where the list has more objects, which are not read."""

    items: tuple[Json, ...]
    more: str = ""


def first_pages(api: Api) -> Iterator[Page]:
    """Yield the first pages of the list of each long-running kind.  Raises ApiError."""
    for maker in (maker for maker in POD_MAKERS if (maker.group, maker.resource) in LONG_RUNNING):
        api_version = f"{maker.group}/v1"
        pages = api.pages(collection(api_version, maker.resource), size=SMALL_PAGE)
        for number, page in enumerate(islice(pages, MOST_PAGES), start=1):
            items = tuple({**item, "apiVersion": api_version, "kind": maker.kind} for item in page["items"])
            cut = page.get("omitted") or (number == MOST_PAGES and page["metadata"].get("continue"))
            yield Page(items, more=maker.resource if cut else "")
