"""Compare the pod templates of two versions of one object."""

from typing import Final

import msgspec

from webhook.model.kinds import PodMaker
from webhook.model.names import RESTARTED_AT
from webhook.review.custom_resource_json import is_comparable, sources_differ
from webhook.review.custom_resources import without_restart
from webhook.review.kubernetes_objects import decode_json
from webhook.review.workloads import DecodedWorkload

RESTARTED: Final = RESTARTED_AT.encode()


def templates_differ(maker: PodMaker, new: DecodedWorkload, old: DecodedWorkload) -> bool:
    """Return whether the pod templates of two versions of one object differ.

    Equal bytes are the common case, because the API server writes both with one encoder. Otherwise the values are
    compared.
    """
    if maker.custom:
        return sources_differ(maker, new.source, old.source)
    return new.template != old.template and msgspec.json.decode(new.template) != msgspec.json.decode(old.template)


def is_restart(maker: PodMaker, new: DecodedWorkload, old: DecodedWorkload) -> bool:
    """Return whether two versions of an object with different pod templates differ only by a restart.

    The answer is false for objects that are too large to compare.
    """
    if not is_comparable(new.source, old.source) or not any(RESTARTED in bytes(one.source) for one in (new, old)):
        return False
    one, other = decode_json(new.source, dict), decode_json(old.source, dict)
    return without_restart(one, maker) == without_restart(other, maker)
