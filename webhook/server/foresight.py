"""What a policy file that somebody applies would change: a quick look, told in warnings.

It never decides: where the look fails or takes too long, that is said instead. Objects are named only to those who may list
them; everybody else reads how many there are.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from time import monotonic, sleep

from webhook.config.apart import ReadingTooSlowError, load
from webhook.config.parse import Loaded
from webhook.custom.cost import BUDGET
from webhook.custom.judging import price_of_all
from webhook.guard.impact_warnings import impact_warnings, not_previewed
from webhook.guard.owner_graph import ExistingObject
from webhook.kube.access import may_list
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.epoch import Epoch
from webhook.kube.listing import LASTING, first_pages
from webhook.kube.setting import setting
from webhook.model.abbreviation import shortened
from webhook.model.decision import ForesightWanted
from webhook.model.kinds import NAMESPACES
from webhook.model.policy import GuardPolicy
from webhook.model.request import User
from webhook.review.manifests import BadManifest, existing

logger = logging.getLogger(__name__)

# A person waits for it at kubectl, and the webhook's own timeout is 5 s, of which reading the file takes one at most.
FORESIGHT_SECONDS = 2.5
# A look computes for milliseconds an object; between slices it leaves the interpreter to those who answer.
SLICE_SECONDS = 0.005
PAUSE_SECONDS = 0.003
# What a look names: whoever may list all of it everywhere may read the names.
SEEN = (*sorted(LASTING), NAMESPACES)
FAILED = "the cluster could not be looked at"


class TooSlowError(Exception):
    """The objects took too long to judge; the message says so."""


class Foresight:
    """Looks at what stands; `namespaces` are those that a watch last saw."""

    def __init__(
        self,
        *,
        namespaces: Callable[[], Iterable[Json]],
        epoch: Epoch,
        own_namespace: str,
        now: Callable[[], datetime],
        may_see: Callable[[Api, User], bool] = lambda api, user: may_list(api, user, SEEN),
    ) -> None:
        self._may_see = may_see
        self._namespaces = namespaces
        self._epoch = epoch
        self._own_namespace = own_namespace
        self._now = now

    def foresee(self, api: Api, wanted: ForesightWanted, loaded: Loaded) -> tuple[str, ...]:
        """What a sound file would change against the one in force, in a few warnings; never raises."""
        if not loaded.digest:
            return ()  # nothing is in force yet, so nothing changes
        begun = monotonic()
        api = api.within(FORESIGHT_SECONDS)
        named = self._is_named(api, wanted.user)
        try:
            return self._foresee(api, wanted.text, loaded, until=begun + FORESIGHT_SECONDS, named=named)
        except TooSlowError as bad:
            return (not_previewed(str(bad)),)
        except (ApiError, BadManifest) as bad:
            logger.warning("a policy file is not previewed: %s", bad)
            return (not_previewed(str(bad) if named else FAILED),)
        except Exception:
            logger.exception("a policy file is not previewed")
            return (not_previewed("an error of catflap's own, see its log"),)
        finally:
            logger.info("a policy file was previewed in %.2f s", monotonic() - begun)

    def _is_named(self, api: Api, user: User) -> bool:
        try:
            return self._may_see(api, user)
        except ApiError as error:
            logger.warning("what %s may see is not known, so a preview names nothing: %s", shortened(user.name), error)
            return False

    def _foresee(self, api: Api, text: str, loaded: Loaded, *, until: float, named: bool) -> tuple[str, ...]:
        try:
            after, before = load(text, until - monotonic()).policy, loaded.policy
        except ReadingTooSlowError:
            raise TooSlowError("the file takes too long to read") from None
        where = setting(self._own_namespace, self._now(), self._namespaces(), self._epoch.read(api))
        more: list[str] = []
        objects = in_time(standing(api, more), (after, before), until)
        return impact_warnings(objects, after, before, where, more=more, named=named)


def standing(api: Api, more: list[str]) -> Iterator[ExistingObject]:
    """What stands, a page at a time; `more` is told of the kinds of which there is more.  Raises ApiError, BadManifest."""
    for page in first_pages(api):
        yield from (existing(one, default_namespace="") for one in page.items)
        more += [page.more] if page.more else []


def in_time(
    objects: Iterable[ExistingObject], policies: Collection[GuardPolicy], until: float
) -> Iterator[ExistingObject]:
    """The objects, for as long as there is time to judge them; raises TooSlowError.

    There is a pause after each slice of work. An object that the custom rules might look at for longer than a single rule may is not even begun with.
    """
    begun = monotonic()
    for one in objects:
        if monotonic() - begun > SLICE_SECONDS:
            sleep(PAUSE_SECONDS)
            begun = monotonic()
        if monotonic() > until or sum(price_of_all(one.creation, policy) for policy in policies) > BUDGET:
            raise TooSlowError("there is too much to judge; see catflap preview")
        yield one
