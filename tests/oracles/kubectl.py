"""Read manifests by kubectl itself: `kubectl annotate --local` prints the objects that it reads, without a cluster."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MARK: Final = "catflap.dev/read"
COMPLAINT: Final = re.compile(
    r"(?:unable to decode|error parsing|error validating|unable to load) \"?[^\" ]*/(\d{6})\.yaml\"?: (.*)"
)


@dataclass(frozen=True)
class Read:
    """kubectl's result for one file: the objects that it printed, and its error where it stopped."""

    objects: tuple[Any, ...]
    complaint: str


def read_all(kubectl: Path, folder: Path, cases: Sequence[bytes]) -> list[Read]:
    """Return kubectl's result for each case, by one call.

    Each object must have `metadata.name: case-N` with the number of its case, since kubectl does not say
    which file an object is from.
    """
    for number, case in enumerate(cases):
        (folder / f"{number:06}.yaml").write_bytes(case)
    argv = [str(kubectl), "annotate", "--local", "-f", str(folder), f"{MARK}=true", "--overwrite", "-o", "json"]
    environment = {**os.environ, "KUBECONFIG": os.devnull}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    objects: dict[int, list[Any]] = {}
    for one in printed(done.stdout):
        objects.setdefault(int(one["metadata"]["name"].removeprefix("case-")), []).append(unmarked(one))
    complaints = {int(found[1]): found[2] for found in COMPLAINT.finditer(done.stderr)}
    return [Read(tuple(objects.get(number, ())), complaints.get(number, "")) for number in range(len(cases))]


def printed(text: str) -> Iterator[Any]:
    """Yield JSON values from their concatenation."""
    decoder, position = json.JSONDecoder(), 0
    while position < len(text.rstrip()):
        value, position = decoder.raw_decode(text, position)
        while position < len(text) and text[position].isspace():
            position += 1
        yield value


def unmarked(found: dict[str, Any]) -> dict[str, Any]:
    """Return an object without the annotation that the call adds."""
    metadata = dict(found["metadata"])
    annotations = {key: value for key, value in metadata.pop("annotations", {}).items() if key != MARK}
    return {**found, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}
