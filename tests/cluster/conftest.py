"""Provides one real API server per session for the tests of this folder, started by the first test that needs it."""

import time
import uuid
from collections.abc import Generator, Iterator

import pytest

from tests.cluster.installation import Installation, installed
from tests.cluster.manifests import GOOD, Json, deployment, every_kind, namespace, pod, pod_spec, with_host_network
from tests.cluster.policies import GROUPS
from tests.controlplane.cluster import Cluster, running
from tests.controlplane.session import prepare, programs
from tests.controlplane.tools import Tools

LOG_LINES = 30


def pytest_collection_finish(session: pytest.Session) -> None:
    """Prepare the programs before the time of any test starts."""
    prepare(session)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Append the ends of the process logs to a failure, as CI does not keep them."""
    report = yield
    if call.excinfo is not None:
        installations = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, Installation)]
        for log in sorted({log for one in installations for log in one.folder.rglob("stderr.log")}):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
            report.sections.append((str(log), "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def tools(request: pytest.FixtureRequest) -> Tools:
    """Return the programs of the control plane."""
    return programs(request.config)


@pytest.fixture(scope="session")
def cluster(tools: Tools) -> Iterator[Cluster]:
    """Run a control plane without nodes."""
    with running(tools) as started:
        yield started


@pytest.fixture
def namespace_name() -> str:
    """Return a namespace name that no other test uses; the test creates it and need not delete it."""
    return f"test-{uuid.uuid4().hex[:12]}"


# The number that tests ask for. Each one is used once, because a policy file of a test may include it.
OLDER_NAMESPACES = 48


@pytest.fixture(scope="session")
def older_namespaces(cluster: Cluster) -> Iterator[str]:
    """Create namespaces with unlabelled workloads before catflap is installed."""
    names = [f"older-{number:02}" for number in range(OLDER_NAMESPACES)]  # no name is a prefix of another
    for name in names:
        cluster.api("POST", "/api/v1/namespaces", namespace(name))
        cluster.api("POST", f"/apis/apps/v1/namespaces/{name}/deployments", deployment("old", name, {}))
        cronjob = every_kind(name, {})["CronJob"]
        cronjob["metadata"]["name"] = "old"
        cluster.api("POST", f"/apis/batch/v1/namespaces/{name}/cronjobs", cronjob)
        cluster.api("POST", f"/apis/apps/v1/namespaces/{name}/daemonsets", agent(name))
    time.sleep(1.5)  # creation times have whole seconds, and the same second counts as later
    return iter(names)


def agent(space: str) -> Json:
    """Return a DaemonSet on the host network, for nodes with a label of its own; there are none yet."""
    found = with_host_network(every_kind(space, {})["DaemonSet"])
    found["metadata"]["name"] = "agent"
    pod_spec(found).update(nodeSelector={"for": space}, tolerations=[{"operator": "Exists"}])
    return found


@pytest.fixture
def older(older_namespaces: Iterator[str]) -> str:
    """Return one of these namespaces."""
    return next(older_namespaces)


@pytest.fixture(scope="session")
def installation(
    cluster: Cluster,
    older_namespaces: Iterator[str],  # noqa: ARG001 (they are created first)
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """Install catflap by its chart, once per session."""
    with installed(cluster, tmp_path_factory.mktemp("catflap")) as made:
        yield made


@pytest.fixture(scope="module")
def apart(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Install catflap on a separate cluster with Calico's API, for tests that stop parts or count all requests."""
    with running(tools) as cluster:
        cluster.install_calico()
        with installed(cluster, tmp_path_factory.mktemp("apart")) as made:
            made.configure()
            yield made


@pytest.fixture
def catflap(installation: Installation) -> Installation:
    """Return the installation under the default policy, whatever the last test wrote."""
    installation.configure()
    return installation


@pytest.fixture
def space(catflap: Installation, namespace_name: str) -> str:
    """Return a namespace with one good Pod, `web`."""
    catflap.apply(namespace(namespace_name))
    catflap.apply(pod("web", namespace_name, GOOD), check=True)
    return namespace_name


@pytest.fixture(params=GROUPS)
def engine(request: pytest.FixtureRequest, catflap: Installation) -> str:
    """Return each engine in turn, named by the policy; `auto` has its own tests."""
    wanted: str = request.param
    if wanted == "calico":
        catflap.cluster.install_calico()
    catflap.configure({"network": {"engine": wanted}})
    return wanted
