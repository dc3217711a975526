"""Why a kubeconfig leads to no cluster, as a sentence for the person who named it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from webhook.files import Form, UnreadableFileError, is_readable
from webhook.model.nearness import nearest

# A cluster, a user and a context with certificates inside have about 10 KiB together; 1,600 of them.
KUBECONFIG: Final = Form("a kubeconfig", 16 << 20)
NONE_THERE: Final = "neither $KUBECONFIG nor ~/.kube/config names a kubeconfig that has a cluster"
EXPECTED: Final = (
    "no kubeconfig: expected a mapping with clusters, contexts and users, as kubectl config view prints it"
)
MOST_LISTED: Final = 10


def why_unusable(bad: Exception, kubeconfig: str | None, context: str | None) -> str:
    """Return why a kubeconfig, by default kubectl's, has no cluster for us; `bad` is what the client has raised for it.

    The client's own words are kept where nothing better is known.
    """
    path = kubeconfig or default_path()
    if path is None:
        return NONE_THERE
    try:
        is_readable(path, KUBECONFIG)
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except UnreadableFileError as unreadable:
        return str(unreadable)
    except UnicodeDecodeError as wrong:
        return f"{path}: byte {wrong.start + 1} is no UTF-8; expected {KUBECONFIG.noun}"
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        return f"{path}{place}: not YAML: {problem_of(wrong)}; expected {KUBECONFIG.noun}"
    except (OSError, yaml.YAMLError):
        return f"{path}: {sentence(bad)}"
    return of_content(content, path, context) or f"{path}: {sentence(bad)}"


def problem_of(wrong: yaml.MarkedYAMLError) -> str:
    """Return the parser's complaint; what it calls the end of the stream is the end of the file."""
    return str(wrong.problem).replace("'<stream end>'", "the end of the file")


def of_content(content: Any, path: str, context: str | None) -> str:
    """Return what is wrong with the content of a kubeconfig; an empty text where that is not known."""
    if content is None:
        return f"{path}: the file is empty; expected {KUBECONFIG.noun}"
    if not isinstance(content, Mapping) or not {"clusters", "contexts"} & content.keys():
        return f"{path}: {EXPECTED}"
    contexts = content.get("contexts")
    names = (
        [str(one["name"]) for one in contexts if isinstance(one, Mapping) and "name" in one]
        if isinstance(contexts, list)
        else []
    )
    wanted = context or content.get("current-context")
    if not wanted:
        return f"{path}: it has no current-context; name one by --context: {listed(names)}"
    if str(wanted) not in names:
        meant = f" (did you mean {near!r}?)" if (near := nearest(str(wanted), names)) else ""
        whose = "" if context else "current-context: "
        return f"{path}: {whose}there is no context {str(wanted)!r}{meant}; its contexts are {listed(names)}"
    return ""


def listed(names: list[str]) -> str:
    """Return the names of contexts, and how many more there are."""
    rest = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "") or "none"


def default_path() -> str | None:
    """Return the kubeconfig that kubectl would take, if it is one file; of several in $KUBECONFIG the first that is there."""
    named = [one for one in os.environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    paths = named or [str(Path.home() / ".kube" / "config")]
    return next((one for one in paths if Path(one).exists()), named[0] if named else None)


def sentence(bad: Exception) -> str:
    """Return what an exception says, as a part of a sentence."""
    return " ".join(str(bad).split()).rstrip(".")
