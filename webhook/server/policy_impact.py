"""The impact of a policy file that a user applies: which running workloads it would reject, as warnings.

The analysis never changes the decision. Where it fails or takes too long, a warning reports that instead. The warnings name
objects only to users that may list them; other users read a count.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from time import monotonic, sleep

from webhook.admission.impact_warnings import impact_warnings, not_previewed
from webhook.admission.owner_graph import ExistingObject
from webhook.cel.cost import BUDGET
from webhook.cel.rule_check import CustomRuleCheck
from webhook.config.apart import ReadingTooSlowError, load
from webhook.config.parse import Loaded
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.install_record import InstallRecord
from webhook.kube.listing import LONG_RUNNING, first_pages
from webhook.kube.preview_setting import build_setting
from webhook.kube.subject_access_review import may_list
from webhook.model.abbreviation import shortened
from webhook.model.kinds import NAMESPACES
from webhook.model.policy import GuardPolicy
from webhook.model.request import User
from webhook.model.steps import PolicyImpactLookup
from webhook.model.timeouts import IMPACT_SECONDS
from webhook.review.existing_objects import existing_object
from webhook.review.manifests import BadManifestError

logger = logging.getLogger(__name__)

# The analysis computes for milliseconds per object. Between slices it leaves the interpreter to threads that answer reviews.
SLICE_SECONDS = 0.005
PAUSE_SECONDS = 0.003
# The kinds that the analysis reads. A user that may list all of them in all namespaces may read the names of the objects.
LISTED_KINDS = (*sorted(LONG_RUNNING), NAMESPACES)
LISTING_FAILED = "the API server did not answer in time"


class TooSlowError(Exception):
    """The analysis takes too long; the message says which part."""


class PolicyImpactAnalyzer:
    """Compares the decisions on running workloads under two policy files.

    `namespaces` returns the namespaces that a watch has cached. `can_list` returns whether a user may list the workloads.
    """

    def __init__(
        self,
        *,
        namespaces: Callable[[], Iterable[Json]],
        epoch: InstallRecord,
        own_namespace: str,
        now: Callable[[], datetime],
        can_list: Callable[[Api, User], bool] = lambda api, user: may_list(api, user, LISTED_KINDS),
    ) -> None:
        self._can_list = can_list
        self._namespaces = namespaces
        self._epoch = epoch
        self._own_namespace = own_namespace
        self._now = now

    def analyze(self, api: Api, wanted: PolicyImpactLookup, loaded: Loaded) -> tuple[str, ...]:
        """Return warnings that list what a valid file changes against the active one; never raises."""
        if not loaded.digest:
            return ()  # no file is active yet, so there is nothing to compare with
        begun = monotonic()
        api = api.within(IMPACT_SECONDS)
        named = self._may_name_objects(api, wanted.user)
        try:
            return self._analyze(api, wanted.text, loaded, until=begun + IMPACT_SECONDS, named=named)
        except TooSlowError as bad:
            return (not_previewed(str(bad)),)
        except (ApiError, BadManifestError) as bad:
            logger.warning("cannot preview the policy file: %s", bad)
            return (not_previewed(str(bad) if named else LISTING_FAILED),)
        except Exception:
            logger.exception("cannot preview the policy file")
            return (not_previewed("internal error of catflap, see its log"),)
        finally:
            logger.info("previewed the policy file in %.2f s", monotonic() - begun)

    def _may_name_objects(self, api: Api, user: User) -> bool:
        try:
            return self._can_list(api, user)
        except ApiError as error:
            logger.warning(
                "cannot check the permissions of %s, so the preview contains no names: %s", shortened(user.name), error
            )
            return False

    def _analyze(self, api: Api, text: str, loaded: Loaded, *, until: float, named: bool) -> tuple[str, ...]:
        try:
            after, before = load(text, until - monotonic()).policy, loaded.policy
        except ReadingTooSlowError:
            raise TooSlowError("reading the file takes too long") from None
        where = build_setting(self._own_namespace, self._now(), self._namespaces(), self._epoch.read(api))
        more: list[str] = []
        objects = within_deadline(running_objects(api, more), (after, before), until)
        return impact_warnings(objects, after, before, where, more=more, named=named)


def running_objects(api: Api, more: list[str]) -> Iterator[ExistingObject]:
    """Yield the running objects, page by page; raises ApiError and BadManifestError.

    The name of each kind of which only a part was read is appended to `more`.
    """
    for page in first_pages(api):
        yield from (existing_object(one, default_namespace="") for one in page.items)
        more += [page.more] if page.more else []


def within_deadline(
    objects: Iterable[ExistingObject], policies: Collection[GuardPolicy], until: float
) -> Iterator[ExistingObject]:
    """Yield the objects until the deadline `until`; raises TooSlowError after it.

    There is a pause after each slice of work. An object on which all custom rules together might cost more than the budget of a
    single rule raises TooSlowError before the rules begin.
    """
    begun = monotonic()
    for one in objects:
        if monotonic() - begun > SLICE_SECONDS:
            sleep(PAUSE_SECONDS)
            begun = monotonic()
        if monotonic() > until or sum(CustomRuleCheck(one.creation, policy).cost for policy in policies) > BUDGET:
            raise TooSlowError("the cluster has too many objects to check; see catflap preview")
        yield one
