"""The error for an unusable kubeconfig is a clear sentence."""

import re
from pathlib import Path
from typing import Final

import pytest

from webhook.kube.api import NoClusterError, connect, connect_as_kubectl

FOREIGN: Final = re.compile(
    r"Invalid kube-config|Expected|object|indices|'str'|NoneType|while scanning|not allowed here|unicode string|Errno"
)
HEAD: Final = "apiVersion: v1\nkind: Config\n"
CONTEXT: Final = f"{HEAD}current-context: x\ncontexts: [{{name: x, context: {{cluster: y, user: z}}}}]\n"
NONE: Final = "the file is not a kubeconfig; expected a mapping with clusters, users, contexts and current-context"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("hello", NONE),
        ("- a", NONE),
        ("5", NONE),
        (HEAD, "it has no current-context; select a context with --context or with kubectl config use-context NAME"),
        (f"{HEAD}current-context: x\ncontexts: []\nclusters: []\nusers: []\n", ("the context 'x' does not exist in "
                                                                               "it; kubectl config get-contexts "
                                                                               "lists them")),
        (f"{CONTEXT}clusters: []\nusers: []\n", ("the cluster 'y' does not exist in it; kubectl config get-clusters "
                                                "lists them")),
        (f"{HEAD}current-context: x\n", "the context 'x' does not exist in it"),
        (f"{CONTEXT}clusters: [{{name: y, cluster: {{server: 'https://a', certificate-authority: /none.crt}}}}]\nusers: []\n", "it refers to the file /none.crt, which does not exist"),
        ("a: b: c\n", "it is not YAML: line 1, column 5: a second ': ' in one line; write the value in quotes"),
        ("a: 1\n\tb: 1\n", "it is not YAML: line 2, column 1: YAML does not allow a tab here"),
    ],
)  # fmt: skip
def test_an_unusable_kubeconfig_has_a_clear_error(text: str, message: str, tmp_path: Path) -> None:
    """The message has the missing entry, and the command that lists the existing ones."""
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")
    for attempt in (connect, connect_as_kubectl):
        with pytest.raises(NoClusterError) as bad:
            attempt(str(path), None)
        assert f"cannot use --kubeconfig {path}: {message}" in str(bad.value)
        assert not FOREIGN.search(str(bad.value).replace(str(path), ""))


def test_a_missing_context_is_reported(tmp_path: Path) -> None:
    """The message has its name."""
    path = tmp_path / "config"
    path.write_text(f"{HEAD}contexts: []\nclusters: []\nusers: []\n", encoding="utf-8")
    with pytest.raises(NoClusterError, match="the context 'prod' does not exist in it"):
        connect(str(path), "prod")


def test_without_file_and_pod_both_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is a sentence."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(NoClusterError, match="cannot use the Pod's ServiceAccount: this process does not run in a Pod"):
        connect(None)
    with pytest.raises(NoClusterError, match="no such file; expected a kubeconfig"):
        connect("/is/not/there")


def test_the_error_of_an_invalid_default_kubeconfig_has_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds although no file is named."""
    path = tmp_path / "config"
    path.write_text("a: 1\nb:2\n", encoding="utf-8")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    with pytest.raises(
        NoClusterError, match="not YAML: line 2, column 1: the space after the colon is missing; write key: value"
    ):
        connect_as_kubectl(None, None)


def test_the_variable_with_the_path_of_the_kubeconfig_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has set it looks there for the wrong path."""
    monkeypatch.setenv("KUBECONFIG", "/is/not/there")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", "/is/not/there")
    with pytest.raises(
        NoClusterError,
        match=r"cannot use the kubeconfig of the variable KUBECONFIG \(/is/not/there\): the kubeconfig does not",
    ):
        connect_as_kubectl(None, None)
