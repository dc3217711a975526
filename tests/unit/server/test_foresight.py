"""A look at what a policy file would change never decides about it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.unit.guard.test_preview import ROLELESS, stored
from tests.unit.samples import HEAD
from webhook.config.parse import Loaded, parse
from webhook.kube.api import PAGE_SIZE, Api, ApiError, Json
from webhook.kube.install_record import InstallRecord, InstallTimes
from webhook.model.decision import ForesightWanted
from webhook.model.request import User
from webhook.server import foresight
from webhook.server.foresight import Foresight

NOW: Final = datetime(2026, 7, 1, tzinfo=UTC)
JANE: Final = User("jane", ("editors",))
MILD: Final = parse(f"{HEAD}mode: warn\n")
DEPLOYMENTS: Final = "/apis/apps/v1/deployments"
TOO_MUCH: Final = "not previewed: there is too much to judge; see catflap preview"


class Lists(Api):
    """An API server that has one Deployment and so many pages of each list, or another answer to every list."""

    def __init__(self, answer: Exception | None = None, pages: int = 1, items: Sequence[Json] = ()) -> None:
        self._answer = answer
        self._items = list(items) or [stored("Deployment", "web", ROLELESS)]
        self._pages = pages
        self.asked: list[str] = []

    def within(self, seconds: float) -> Api:
        """Itself: it is fast."""
        assert seconds <= 2.5
        return self

    def pages(self, path: str, *, size: int = PAGE_SIZE, **_query: str) -> Iterator[Json]:
        """No more than two small ones, which is as many as may be asked for."""
        assert size == 250
        self.asked.append(path)
        if self._answer:
            raise self._answer
        items = self._items if path == DEPLOYMENTS else []
        for left in range(self._pages - 1, -1, -1):
            assert self._pages - left <= 2
            yield {"metadata": {"continue": "x" * left}, "items": items}


class Recorded(InstallRecord):
    """An epoch on record."""

    def __init__(self) -> None:
        pass

    def read(self, api: Api) -> InstallTimes | None:  # noqa: ARG002 (an InstallRecord)
        """It."""
        return InstallTimes(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


def foreseen(api: Api, *, loaded: Loaded = MILD, **parts: Any) -> tuple[str, ...]:
    """What the default policy would change."""
    usual = {"may_see": lambda *_: True}
    whole = {"namespaces": list, "epoch": Recorded(), "own_namespace": "guards", "now": lambda: NOW, **usual, **parts}
    return Foresight(**whole).foresee(api, ForesightWanted(HEAD, JANE), loaded)


def test_who_would_be_refused_is_told() -> None:
    """Of what runs for long."""
    api = Lists()
    assert foreseen(api) == ("1 running workload would be refused: Deployment shop/web",)
    assert api.asked == [
        "/apis/apps/v1/daemonsets",
        DEPLOYMENTS,
        "/apis/apps/v1/statefulsets",
        "/apis/batch/v1/cronjobs",
    ]


def test_the_first_file_changes_nothing() -> None:
    """Nobody is asked."""
    api = Lists()
    assert foreseen(api, loaded=Loaded(policy=MILD.policy, digest="")) == ()
    assert api.asked == []


@pytest.mark.parametrize(("pages", "partly"), [(1, False), (2, False), (3, True), (9999, True)])
def test_what_is_looked_at_is_bounded(pages: int, *, partly: bool) -> None:
    """And said to be."""
    said = foreseen(Lists(pages=pages))[-1]
    assert said.startswith("previewed in part: there are more daemonsets, deployments") is partly


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (ApiError(403, "GET /x: 403: no"), "not previewed: GET /x: 403: no"),
        (ApiError(0, "GET /x: no time left to ask the API server"), "not previewed: GET /x: no time left "),
        (KeyError("items"), "not previewed: an error of catflap's own, see its log"),
    ],
)
def test_trouble_is_told_and_nothing_else(trouble: Exception, says: str) -> None:
    """The file counts all the same."""
    [line] = foreseen(Lists(trouble))
    assert line.startswith(says)


def test_what_takes_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Custom rules are asked as well, about what users make as large as they like."""
    monkeypatch.setattr(foresight, "FORESIGHT_SECONDS", -1.0)
    assert foreseen(Lists()) == (TOO_MUCH,)


@pytest.mark.parametrize(("rules", "said"), [(1, ()), (40, (TOO_MUCH,))])
def test_an_object_that_all_rules_together_would_look_at_for_long_is_not_begun_with(
    rules: int, said: tuple[str, ...]
) -> None:
    """Each has its own budget, and nobody looks at the clock while they run."""
    object_ = stored("Deployment", "web", ROLELESS)
    object_["spec"]["many"] = [str(number) for number in range(90)]
    nested = "object.spec.many.all(a, object.spec.many.all(b, a != '' && b != ''))"
    custom = [f'{{id: a{"b" * number}, resources: [deployments], cel: "{nested}"}}' for number in range(rules)]
    text = f"{HEAD}rules: {{require-role: 'off'}}\ncustom: [{', '.join(custom)}]\n"
    look = Foresight(
        namespaces=list, epoch=Recorded(), own_namespace="guards", now=lambda: NOW, may_see=lambda *_: True
    )
    assert look.foresee(Lists(items=[object_]), ForesightWanted(text, JANE), MILD) == said


def test_custom_rules_are_asked() -> None:
    """With the namespace as the watch last saw it."""
    rule = "{id: mine, resources: [deployments], cel: \"namespaceObject.metadata.name == 'x'\"}"
    shop = {"metadata": {"name": "shop", "uid": "1", "creationTimestamp": "2026-06-01T00:00:00Z"}}
    text = f"{HEAD}rules: {{require-role: 'off'}}\ncustom: [{rule}]\n"
    look = Foresight(
        namespaces=lambda: [shop], epoch=Recorded(), own_namespace="guards", now=lambda: NOW, may_see=lambda *_: True
    )
    assert look.foresee(Lists(), ForesightWanted(text, JANE), MILD) == (
        "1 running workload would be refused: Deployment shop/web",
    )


def forbidden(_api: Api, _user: User) -> bool:
    """Nobody may ask what others may see."""
    raise ApiError(403, "POST /apis/authorization.k8s.io/v1/subjectaccessreviews: 403: secret words")


@pytest.mark.parametrize("may_see", [lambda *_: False, forbidden])
def test_who_may_not_list_what_runs_reads_a_count(may_see: Any) -> None:
    """Names of other namespaces are for those who may list them."""
    assert foreseen(Lists(), may_see=may_see) == ("1 running workload would be refused",)


def test_who_may_not_list_what_runs_reads_no_error_of_the_api_server() -> None:
    """It names what was asked for."""
    said = foreseen(Lists(ApiError(403, "GET /apis/apps/v1/deployments: 403: secret words")), may_see=lambda *_: False)
    assert said == ("not previewed: the cluster could not be looked at",)
