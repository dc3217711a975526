"""Everything in a cluster that rules are about, page by page."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import islice

from msgspec import Struct

from webhook.kube.api import NOT_FOUND, PAGE_SIZE, Api, ApiError, Json
from webhook.kube.namespaces import PATH as NAMESPACES
from webhook.kube.namespaces import path
from webhook.kube.paging import LARGEST_PAGE
from webhook.kube.paths import collection, under
from webhook.kube.policies import is_ours
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
# What runs for long and is not made by anything else.
LASTING = frozenset({("apps", "daemonsets"), ("apps", "deployments"), ("apps", "statefulsets"), ("batch", "cronjobs")})

OWN = frozenset({"namespaces", *(f"{one.resource}.{one.group}".rstrip(".") for one in KUBERNETES_OWN)})

# A message with more names is not read.
MOST_NAMED = 10
TOO_LARGE = f"its JSON has more than {LARGEST_PAGE // 2**20} MiB"

# While a page is decoded, no other thread runs: 20 to 50 ms for so many Deployments; each page costs a read of etcd.
SMALL_PAGE = 250
MOST_PAGES = 2


class Seen(Struct, frozen=True):
    """How far a list has been read: so many objects of a resource, and as many more as the API server guesses."""

    resource: str
    objects: int
    remaining: int


class Listing:
    """Reads all that makes Pods, and the network policies of others, from some namespaces or from all.

    What the cluster does not serve is passed over; `unseen` says what else could not be looked at, and why, and `failed`
    whether that is more than vendors' kinds that we have no right to. `on_page` is told of each page, of at most `size` objects.
    """

    def __init__(
        self,
        api: Api,
        *,
        namespaces: Iterable[str] = (),
        makers: Iterable[PodMaker] = POD_MAKERS,
        size: int = PAGE_SIZE,
        on_page: Callable[[Seen], None] = lambda _: None,
    ) -> None:
        self.unseen: list[str] = []
        self.failed = False
        self._size = size
        self._api = api
        self._namespaces = tuple(namespaces)
        self._makers = tuple(makers)
        self._on_page = on_page
        self._versions: dict[str, str] = {}

    def namespaces(self) -> Mapping[str, Json] | None:
        """The namespaces by name; None where we have no right to see them.  Raises ApiError where nobody answers."""
        try:
            if self._namespaces:
                one_by_one = {name: self._api.get(path(name)) for name in self._namespaces}
                self.unseen += [f"namespace {name}: it is not there" for name, one in one_by_one.items() if one is None]
                found = [one for one in one_by_one.values() if one is not None]
            else:
                found = [one for page in self._api.pages(NAMESPACES) for one in page["items"]]
        except ApiError as error:
            self.miss("namespaces", error)
            return None
        return {one["metadata"]["name"]: one for one in found}

    def objects(self) -> Iterator[Json]:
        """Each object with its kind; owners come before their Pods.  Raises ApiError where nobody answers."""
        for maker in sorted(self._makers, key=lambda one: one == POD):
            yield from self._of(maker)
        calico = False
        for kind in sorted(POLICY_KINDS, key=lambda one: one.group == CALICO_STORAGE):
            if kind.staged or (calico and kind.group == CALICO_STORAGE):
                continue  # what Calico's API server shows, it has stored under other names
            for found in self._of(kind):
                calico = calico or kind.group == CALICO
                if not is_ours(found):
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
                self._on_page(Seen(resource, count, page["metadata"].get("remainingItemCount") or 0))
                yield from ({**item, "apiVersion": version, "kind": kind.kind} for item in page["items"])
                omitted += page.get("omitted", ())
        except ApiError as error:
            if error.status != NOT_FOUND:
                self.miss(resource, error)
        self.unseen += (f"{resource} {name}: {TOO_LARGE}" for name in omitted[:MOST_NAMED])
        if (more := len(omitted) - MOST_NAMED) > 0:
            self.unseen.append(f"{resource}: {counted(more, 'more object')}: {TOO_LARGE}")

    def _pages(self, version: str, resource: str) -> Iterator[Json]:
        for name in self._namespaces or ("",):
            yield from self._api.pages(collection(version, resource, name), size=self._size)

    def _version(self, kind: PodMaker | PolicyKind) -> str:
        """The apiVersion of a kind here: that of our table, else the one that the cluster prefers.  Raises ApiError."""
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

    def miss(self, resource: str, error: ApiError) -> None:
        """Remember what could not be looked at, in words; raises the error where nobody answers at all."""
        if error.status in {0, HTTPStatus.UNAUTHORIZED}:
            raise error
        self.failed = self.failed or error.status != HTTPStatus.FORBIDDEN or resource in OWN
        why = "no right to list" if error.status == HTTPStatus.FORBIDDEN else str(error)
        self.unseen.append(f"{resource}: {why}")


class Page(Struct, frozen=True):
    """A piece of a list; `more` says that there is more of it, which is not read."""

    items: tuple[Json, ...]
    more: str = ""


def first_pages(api: Api) -> Iterator[Page]:
    """The beginning of the list of each kind that runs for long, in small pieces.  Raises ApiError."""
    for maker in (maker for maker in POD_MAKERS if (maker.group, maker.resource) in LASTING):
        api_version = f"{maker.group}/v1"
        pages = api.pages(collection(api_version, maker.resource), size=SMALL_PAGE)
        for number, page in enumerate(islice(pages, MOST_PAGES), start=1):
            items = tuple({**item, "apiVersion": api_version, "kind": maker.kind} for item in page["items"])
            cut = page.get("omitted") or (number == MOST_PAGES and page["metadata"].get("continue"))
            yield Page(items, more=maker.resource if cut else "")
