"""Translate the errors of unusable kubeconfigs: the client's texts name Python objects, and PyYAML's name tokens."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml

from webhook.files import Form, UnreadableFileError, reason
from webhook.syntax.yaml_errors import explain

NO_KUBECONFIG: Final = (
    "the file is not a kubeconfig; expected a mapping with clusters, users, contexts and current-context"
)
KINDS: Final = {"contexts": "context", "clusters": "cluster", "users": "user"}
WORDS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"file is empty"), lambda _: "the file is empty"),
    (re.compile(r"No configuration found"), lambda _: "the kubeconfig does not exist"),
    (re.compile(r"Service host/port is not set"), lambda _: "this process does not run in a Pod"),
    (
        re.compile(r"Service token file|Service certification file"),
        lambda _: "the Pod has no ServiceAccount token or CA",
    ),
    (
        re.compile(r"Expected key current-context"),
        lambda _: "it has no current-context; select a context with --context or with kubectl config use-context NAME",
    ),
    (
        re.compile(r"Expected object with name (.*) in .*/(contexts|clusters|users) list"),
        lambda found: (
            f"the {KINDS[found[2]]} {found[1]!r} does not exist in it; kubectl config get-{found[2]} lists them"
        ),
    ),
    (re.compile(r"Expected key (\S+) in"), lambda found: f"the key {found[1]} is missing"),
    (re.compile(r"Multiple entries"), lambda _: "two entries have the same name; remove one of them"),
    (re.compile(r"File does not exist: (.*)"), lambda found: f"it refers to the file {found[1]}, which does not exist"),
)
# A cluster, a user and a context with certificates inside have about 10 KiB together; 1,600 of them.
KUBECONFIG: Final = Form("a kubeconfig", 16 << 20)


def describe_kubeconfig_error(bad: Exception) -> str:
    """Return why a kubeconfig cannot be used, as a part of a sentence."""
    if isinstance(bad, yaml.YAMLError):
        return f"it is not YAML: {describe_yaml_error(bad)}"
    if isinstance(bad, UnicodeError):
        return "it is not UTF-8"
    if isinstance(bad, UnreadableFileError):
        return str(bad).partition(": ")[2]
    if isinstance(bad, OSError):
        return reason(bad)
    text = " ".join(str(bad).split()).rstrip(".")
    return next((words(found) for pattern, words in WORDS if (found := pattern.search(text))), NO_KUBECONFIG)


def describe_yaml_error(bad: yaml.YAMLError) -> str:
    """Return the syntax error of a YAML file with its line; PyYAML keeps the path from which the client read the file."""
    mark = getattr(bad, "problem_mark", None)
    try:
        text = Path(mark.name).read_text(encoding="utf-8") if mark else ""
    except (OSError, ValueError):
        text = ""
    found = explain(bad, text)
    return f"line {found.line}, column {found.column}: {found.says}"
