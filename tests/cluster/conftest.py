"""A real API server for the tests in this folder: one for the session, started by the first test that asks for it."""

import time
import uuid
from collections.abc import Generator, Iterator

import pytest

from tests.cluster.installation import Installation, installed
from tests.cluster.manifests import Json, deployment, every_kind, namespace, on_host, pod_spec
from tests.cluster.policies import GROUPS
from tests.controlplane.cluster import Cluster, running
from tests.controlplane.session import prepare, programs
from tests.controlplane.tools import Tools

LOG_LINES = 30


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the programs ready before any test's time starts."""
    prepare(session)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure, show how the logs of our processes end; nobody finds them where CI ran."""
    report = yield
    if call.excinfo is not None:
        installations = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, Installation)]
        for log in sorted({log for one in installations for log in one.folder.rglob("stderr.log")}):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
            report.sections.append((str(log), "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def tools(request: pytest.FixtureRequest) -> Tools:
    """The control plane's programs."""
    return programs(request.config)


@pytest.fixture(scope="session")
def cluster(tools: Tools) -> Iterator[Cluster]:
    """A running control plane without nodes."""
    with running(tools) as started:
        yield started


@pytest.fixture
def namespace_name() -> str:
    """A namespace name that no other test uses; the test creates it, and nobody needs to delete it."""
    return f"test-{uuid.uuid4().hex[:12]}"


# As many as tests ask for; each is handed out once, for a test may adopt it.
OLDER_NAMESPACES = 48


@pytest.fixture(scope="session")
def older_namespaces(cluster: Cluster) -> Iterator[str]:
    """Namespaces with unlabelled workloads that stood before catflap came."""
    names = [f"older-{number:02}" for number in range(OLDER_NAMESPACES)]  # none is the beginning of another
    for name in names:
        cluster.api("POST", "/api/v1/namespaces", namespace(name))
        cluster.api("POST", f"/apis/apps/v1/namespaces/{name}/deployments", deployment("old", name, {}))
        cronjob = every_kind(name, {})["CronJob"]
        cronjob["metadata"]["name"] = "old"
        cluster.api("POST", f"/apis/batch/v1/namespaces/{name}/cronjobs", cronjob)
        cluster.api("POST", f"/apis/apps/v1/namespaces/{name}/daemonsets", agent(name))
    time.sleep(1.5)  # creation is dated in whole seconds, and the same second counts as after
    return iter(names)


def agent(space: str) -> Json:
    """A DaemonSet in its nodes' network, for nodes with a label of the namespace's own; there are none yet."""
    found = on_host(every_kind(space, {})["DaemonSet"])
    found["metadata"]["name"] = "agent"
    pod_spec(found).update(nodeSelector={"for": space}, tolerations=[{"operator": "Exists"}])
    return found


@pytest.fixture
def older(older_namespaces: Iterator[str]) -> str:
    """One of them."""
    return next(older_namespaces)


@pytest.fixture(scope="session")
def installation(
    cluster: Cluster,
    older_namespaces: Iterator[str],  # noqa: ARG001 (they come first)
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """catflap, installed by its chart, once for the session."""
    with installed(cluster, tmp_path_factory.mktemp("catflap")) as made:
        yield made


@pytest.fixture(scope="module")
def apart(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation on a cluster of its own, for tests that stop parts of it or count all that it does; Calico is served there."""
    with running(tools) as cluster:
        cluster.install_calico()
        with installed(cluster, tmp_path_factory.mktemp("apart")) as made:
            made.configure()
            yield made


@pytest.fixture
def catflap(installation: Installation) -> Installation:
    """The installation under the default policy, whatever the last test wrote."""
    installation.configure()
    return installation


@pytest.fixture(params=GROUPS)
def engine(request: pytest.FixtureRequest, catflap: Installation) -> str:
    """Each engine in turn, named by the policy; what `auto` does has its own tests."""
    wanted: str = request.param
    if wanted == "calico":
        catflap.cluster.install_calico()
    catflap.configure({"network": {"engine": wanted}})
    return wanted
