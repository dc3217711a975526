"""Kubeconfigs as users name them: the message has the file, the place or the contexts, and never a word of Python's."""

from pathlib import Path
from typing import Final

import pytest

from webhook.kube.api import NoCluster, connect, connect_as_kubectl
from webhook.kube.kubeconfig import KUBECONFIG

SOUND: Final = """
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: me, user: {}}]
contexts: [{name: production, context: {cluster: here, user: me}}]
"""


@pytest.mark.parametrize("connected", [connect, connect_as_kubectl])
@pytest.mark.parametrize(
    ("content", "context", "says"),
    [
        pytest.param(b"", None, ": the file is empty; expected a kubeconfig", id="empty"),
        pytest.param(b"hello", None, ": no kubeconfig: expected a mapping with clusters", id="text"),
        pytest.param(b"[1]", None, ": no kubeconfig: expected a mapping with clusters", id="a list"),
        pytest.param(b"a: 1", None, ": no kubeconfig: expected a mapping with clusters", id="another file"),
        pytest.param(b"clusters: [\n", None, ":2:1: not YAML: expected the node content, but found the end", id="garbage"),
        pytest.param(b"\xff\xfea\0", None, ": byte 1 is no UTF-8; expected a kubeconfig", id="UTF-16"),
        pytest.param(SOUND.encode(), None, ": it has no current-context; name one by --context: production", id="none"),
        pytest.param(
            SOUND.encode(), "prodction", ": there is no context 'prodction' (did you mean 'production'?); its contexts are production", id="unknown"
        ),
        pytest.param(
            f"{SOUND}current-context: x\n".encode(), None, ": current-context: there is no context 'x'; its", id="unknown current"
        ),
    ],
)  # fmt: skip
def test_a_kubeconfig_without_a_cluster_says_why(
    tmp_path: Path, content: bytes, context: str | None, says: str, connected: "type[object]"
) -> None:
    """For a Pod's processes and for people alike."""
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(NoCluster) as bad:
        connected(str(tmp_path / "k"), context)  # type: ignore[call-arg]
    assert str(bad.value).startswith(f"no cluster by --kubeconfig {tmp_path}/k{says}")


def test_a_kubeconfig_has_a_bound(tmp_path: Path) -> None:
    """Nothing of it is parsed then."""
    with (tmp_path / "k").open("wb") as file:
        file.truncate(KUBECONFIG.most + 1)
    with pytest.raises(NoCluster, match="larger than 16 MiB, the most that is read of a kubeconfig"):
        connect_as_kubectl(str(tmp_path / "k"), None)


def test_no_kubeconfig_at_all_says_where_one_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As kubectl looks."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(NoCluster, match=r"neither \$KUBECONFIG nor ~/.kube/config names a kubeconfig"):
        connect_as_kubectl(None, None)
