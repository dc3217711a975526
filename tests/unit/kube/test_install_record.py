"""Install records count only if they are possible; records in a real cluster have tests in tests/cluster."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from webhook.kube.api import Api, ApiError, Json
from webhook.kube.install_record import CLOCK_SKEW, InstallRecord, InstallTimes

MADE: Final = datetime(2026, 1, 1, tzinfo=UTC)
NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
REGISTERED: Final = datetime(2026, 5, 1, tzinfo=UTC)
OWN, SYSTEM = "catflap-system", "kube-system"
SOUND: Final = {"installed": "2026-03-01T00:00:00Z", "closing": "2026-02-01T00:00:00Z"}
TRUE: Final = InstallTimes(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))


class Cluster(Api):
    """An API server with two records, and a registration."""

    def __init__(self, records: dict[str, Json | None], kube_system: Json | ApiError | None = None) -> None:
        self.records = {space: one for space, one in records.items() if one is not None}
        self.created: list[str] = []
        self._kube_system = kube_system or {"metadata": {"creationTimestamp": f"{MADE:%Y-%m-%dT%H:%M:%SZ}"}}

    def get(self, path: str, **_query: str) -> Json | None:
        """Return a stored object."""
        if path == "/api/v1/namespaces/kube-system":
            if isinstance(self._kube_system, ApiError):
                raise self._kube_system
            return self._kube_system
        if path.endswith("/validatingwebhookconfigurations/catflap"):
            return {"metadata": {"creationTimestamp": f"{REGISTERED:%Y-%m-%dT%H:%M:%SZ}"}}
        if path.endswith("/configmaps/catflap-epoch"):
            return self.records.get(path.split("/")[4])
        return None

    def create(self, path: str, body: Json) -> Json | None:
        """Store a record where there is none."""
        space = path.split("/")[4]
        if space in self.records:
            return None
        self.created.append(space)
        self.records[space] = body
        return body

    def clock(self) -> datetime:
        """Return the time of the API server."""
        return NOW


def record(data: Json | None) -> Json:
    """Return a ConfigMap."""
    return {"metadata": {"name": "catflap-epoch"}, "data": data}


UNBELIEVABLE: Final[dict[str, Json | None]] = {
    "garbage": {"installed": "garbage"},
    "nothing": None,
    "empty": {},
    "another key": {"closing": "2026-02-01T00:00:00Z"},
    "no zone": {"installed": "2026-03-01T00:00:00"},
    "another zone": {"installed": "2026-03-01T00:00:00+02:00"},
    "a day": {"installed": "2026-03-01"},
    "no such day": {"installed": "2026-02-30T00:00:00Z"},
    "1970": {"installed": "1970-01-01T00:00:00Z"},
    "closing in 1970": {**SOUND, "closing": "1970-01-01T00:00:00Z"},
    "a second before the cluster": {"installed": "2025-12-31T23:59:59Z"},
    "the future": {"installed": "2026-06-01T01:00:00Z"},
    "closing in the future": {**SOUND, "closing": "9999-12-31T23:59:59Z"},
    "huge": {"installed": "2" * 100_000},
    "a NUL": {"installed": "2026-03-01T00:00:00Z\x00"},
}


@pytest.mark.parametrize("bad", UNBELIEVABLE)
@pytest.mark.parametrize("place", [OWN, SYSTEM])
def test_the_sound_record_counts_where_the_other_cannot_be_true(place: str, bad: str) -> None:
    """This holds for the server, which only reads, and for the controller, which also reports how to fix the record."""
    other = SYSTEM if place == OWN else OWN
    records: dict[str, Json | None] = {place: record(UNBELIEVABLE[bad]), other: record(SOUND)}
    troubles: list[tuple[str, str]] = []
    api = Cluster(records)
    assert InstallRecord(api, own_namespace=OWN).read(api) == TRUE
    installs = InstallRecord(api, own_namespace=OWN, on_trouble=lambda space, what: troubles.append((space, what)))
    for _ in range(3):
        assert installs.record() == TRUE
    [(space, what)] = troubles
    assert space == place
    assert f"kubectl -n {place} delete configmap catflap-epoch" in what
    assert len(what) < 600


@pytest.mark.parametrize("bad", UNBELIEVABLE)
def test_without_a_possible_record_the_registration_counts(bad: str) -> None:
    """The result is neither the age of the record nor an error."""
    api = Cluster({OWN: record(UNBELIEVABLE[bad]), SYSTEM: record(UNBELIEVABLE[bad])})
    assert InstallRecord(api, own_namespace=OWN).read(api) == InstallTimes(REGISTERED, REGISTERED)
    assert InstallRecord(api, own_namespace=OWN).record() == InstallTimes(REGISTERED, REGISTERED)


def test_a_bad_record_that_is_deleted_is_written_again() -> None:
    """The running controller writes it again, without a restart."""
    api = Cluster({OWN: record({"installed": "garbage"}), SYSTEM: record(SOUND)})
    installs = InstallRecord(api, own_namespace=OWN)
    installs.record()
    assert api.created == []
    del api.records[OWN]
    assert installs.record() == TRUE
    assert api.created == [OWN]
    assert api.records[OWN]["data"] == SOUND


@pytest.mark.parametrize(
    "at", [MADE, NOW, NOW + CLOCK_SKEW, MADE + timedelta(seconds=1)], ids=["with the cluster", "now", "skewed", "later"]
)
def test_what_can_be_true_is_believed(at: datetime) -> None:
    """The comparison is exact to the second; the clocks of API servers may differ by minutes."""
    api = Cluster({OWN: record({"installed": f"{at:%Y-%m-%dT%H:%M:%SZ}"})})
    assert InstallRecord(api, own_namespace=OWN).read(api) == InstallTimes(at, at)


def test_without_a_right_to_look_at_the_cluster_its_age_is_no_bound() -> None:
    """Any other failure is an error."""
    records: dict[str, Json | None] = {OWN: record(SOUND)}
    api = Cluster(records, kube_system=ApiError(403, "no right"))
    assert InstallRecord(api, own_namespace=OWN).read(api) == TRUE
    api = Cluster(records, kube_system=ApiError(0, "no answer"))
    with pytest.raises(ApiError):
        InstallRecord(api, own_namespace=OWN).read(api)
