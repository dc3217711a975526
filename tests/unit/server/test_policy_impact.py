"""The impact analysis of a policy file returns warnings and never changes the decision."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.unit.admission.test_preview import ROLELESS, stored
from tests.unit.samples import HEAD
from webhook.config.parse import Loaded, parse
from webhook.kube.api import PAGE_SIZE, Api, ApiError, Json
from webhook.kube.install_record import InstallRecord, InstallTimes
from webhook.model.request import User
from webhook.model.steps import PolicyImpactLookup
from webhook.server import policy_impact
from webhook.server.policy_impact import PolicyImpactAnalyzer

NOW: Final = datetime(2026, 7, 1, tzinfo=UTC)
JANE: Final = User("jane", ("editors",))
MILD: Final = parse(f"{HEAD}mode: warn\n")
DEPLOYMENTS: Final = "/apis/apps/v1/deployments"
TOO_MUCH: Final = "not previewed: the cluster has too many objects to check; see catflap preview"


class FakeApi(Api):
    """An API server with one Deployment and so many pages of each list, or an error for every list."""

    def __init__(self, answer: Exception | None = None, pages: int = 1, items: Sequence[Json] = ()) -> None:
        self._answer = answer
        self._items = list(items) or [stored("Deployment", "web", ROLELESS)]
        self._pages = pages
        self.asked: list[str] = []

    def within(self, seconds: float) -> Api:
        """Return itself, as it answers at once."""
        assert seconds <= 2.5
        return self

    def pages(self, path: str, *, size: int = PAGE_SIZE, **_query: str) -> Iterator[Json]:
        """Yield pages; fails where more than two are read, or where the size is not the expected one."""
        assert size == 250
        self.asked.append(path)
        if self._answer:
            raise self._answer
        items = self._items if path == DEPLOYMENTS else []
        for left in range(self._pages - 1, -1, -1):
            assert self._pages - left <= 2
            yield {"metadata": {"continue": "x" * left}, "items": items}


class RecordedInstallTime(InstallRecord):
    """A recorded installation time."""

    def __init__(self) -> None:
        pass

    def read(self, api: Api) -> InstallTimes | None:  # noqa: ARG002 (an Epoch)
        """Return the installation time."""
        return InstallTimes(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


def impact(api: Api, *, loaded: Loaded = MILD, **parts: Any) -> tuple[str, ...]:
    """Return the impact of the default policy."""
    usual = {"can_list": lambda *_: True}
    whole = {
        "namespaces": list,
        "epoch": RecordedInstallTime(),
        "own_namespace": "guards",
        "now": lambda: NOW,
        **usual,
        **parts,
    }
    return PolicyImpactAnalyzer(**whole).analyze(api, PolicyImpactLookup(HEAD, JANE), loaded)


def test_workloads_that_would_be_refused_are_listed() -> None:
    """The analysis covers long-running workloads."""
    api = FakeApi()
    assert impact(api) == ("1 running workload would be rejected: Deployment shop/web",)
    assert api.asked == [
        "/apis/apps/v1/daemonsets",
        DEPLOYMENTS,
        "/apis/apps/v1/statefulsets",
        "/apis/batch/v1/cronjobs",
    ]


def test_the_first_file_changes_nothing() -> None:
    """The API server gets no request."""
    api = FakeApi()
    assert impact(api, loaded=Loaded(policy=MILD.policy, digest="")) == ()
    assert api.asked == []


@pytest.mark.parametrize(("pages", "partly"), [(1, False), (2, False), (3, True), (9999, True)])
def test_the_number_of_pages_is_bounded(pages: int, *, partly: bool) -> None:
    """A warning reports that the analysis is partial."""
    warnings = impact(FakeApi(pages=pages))[-1]
    assert warnings.startswith("incomplete preview: the cluster has more daemonsets, deployments") is partly


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ApiError(403, "GET /x: 403: no"), "not previewed: GET /x: 403: no"),
        (ApiError(0, "GET /x: no time is left to call the API server"), "not previewed: GET /x: no time is left "),
        (KeyError("items"), "not previewed: internal error of catflap, see its log"),
    ],
)
def test_an_error_is_the_only_warning(error: Exception, says: str) -> None:
    """The file is valid in either case."""
    [line] = impact(FakeApi(error))
    assert line.startswith(says)


def test_a_timeout_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Custom rules run as well, on objects that users can make large."""
    monkeypatch.setattr(policy_impact, "IMPACT_SECONDS", -1.0)
    assert impact(FakeApi()) == (TOO_MUCH,)


@pytest.mark.parametrize(("rules", "warnings"), [(1, ()), (40, (TOO_MUCH,))])
def test_an_object_above_the_cost_budget_is_not_judged(rules: int, warnings: tuple[str, ...]) -> None:
    """Each rule has its own budget, and the deadline is not checked while they run."""
    large = stored("Deployment", "web", ROLELESS)
    large["spec"]["many"] = [str(number) for number in range(90)]
    nested = "object.spec.many.all(a, object.spec.many.all(b, a != '' && b != ''))"
    custom = [f'{{id: a{"b" * number}, resources: [deployments], cel: "{nested}"}}' for number in range(rules)]
    text = f"{HEAD}rules: {{require-role: 'off'}}\ncustom: [{', '.join(custom)}]\n"
    analyzer = PolicyImpactAnalyzer(
        namespaces=list, epoch=RecordedInstallTime(), own_namespace="guards", now=lambda: NOW, can_list=lambda *_: True
    )
    assert analyzer.analyze(FakeApi(items=[large]), PolicyImpactLookup(text, JANE), MILD) == warnings


def test_custom_rules_are_evaluated() -> None:
    """They get the cached namespace."""
    rule = "{id: mine, resources: [deployments], cel: \"namespaceObject.metadata.name == 'x'\"}"
    shop = {"metadata": {"name": "shop", "uid": "1", "creationTimestamp": "2026-06-01T00:00:00Z"}}
    text = f"{HEAD}rules: {{require-role: 'off'}}\ncustom: [{rule}]\n"
    analyzer = PolicyImpactAnalyzer(
        namespaces=lambda: [shop],
        epoch=RecordedInstallTime(),
        own_namespace="guards",
        now=lambda: NOW,
        can_list=lambda *_: True,
    )
    assert analyzer.analyze(FakeApi(), PolicyImpactLookup(text, JANE), MILD) == (
        "1 running workload would be rejected: Deployment shop/web",
    )


def forbidden(_api: Api, _user: User) -> bool:
    """Raise the error for a process without the right to create SubjectAccessReviews."""
    raise ApiError(403, "POST /apis/authorization.k8s.io/v1/subjectaccessreviews: 403: secret words")


@pytest.mark.parametrize("can_list", [lambda *_: False, forbidden])
def test_a_user_without_the_right_to_list_reads_a_count(can_list: Any) -> None:
    """Only users that may list other namespaces read their names."""
    assert impact(FakeApi(), can_list=can_list) == ("1 running workload would be rejected",)


def test_a_user_without_the_right_to_list_reads_no_error_of_the_api_server() -> None:
    """The error names the request."""
    warnings = impact(
        FakeApi(ApiError(403, "GET /apis/apps/v1/deployments: 403: secret words")), can_list=lambda *_: False
    )
    assert warnings == ("not previewed: the API server did not answer in time",)
