"""What every audit log of the test run must be: a whole chain a writer, each record as the published schema says."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

from webhook.audit.chain import GENESIS, seal, split_line
from webhook.audit.findings import FindingKind
from webhook.audit.log_lines import read_lines
from webhook.audit.schema import VERSION
from webhook.audit.verify import VerificationReport, Verifier

# Of which tests have logs that an earlier release wrote, and to which others append.
EARLIER_FORMATS: Final = {"catflap.dev/audit/v1alpha3"}
SCHEMA: Final = Path(__file__).parents[1] / "docs" / "audit.schema.json"

CHECKED_LINES: Final[dict[Path, int]] = {}  # how many lines of a log have been held against the schema


@cache
def schema_of(kind: str) -> Draft202012Validator:
    """The schema of one type of record: by the type alone a fault is told in fewer words than by all types at once."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    [name] = (name for name, part in schema["$defs"].items() if kind in type_of(part))
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})


def type_of(part: dict[str, Any]) -> list[str]:
    """What a part of the schema says of `type` in a record; nothing for what is no record."""
    found = part.get("properties", {}).get("type", {})
    return found.get("enum", []) if isinstance(found, dict) else []


def assert_valid(record: dict[str, Any]) -> None:
    """Hold a record against the schema."""
    faults = [fault.message for fault in schema_of(record["type"]).iter_errors(record)]
    assert faults == [], record


def with_chain_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as it is read from a log: somewhere in a chain."""
    linked = {"version": VERSION, "catflap": "0", "chain": "0" * 32, "seq": 1, "prev": GENESIS}
    return json.loads(seal({**record, **linked})[0])  # type: ignore[no-any-return]


def verify_logs(*paths: Path, **options: Any) -> VerificationReport:
    """What `catflap audit verify` says of logs."""
    verifier = Verifier(**options)
    for line in read_lines(map(str, paths)):
        verifier.add(line)
    return verifier.finish()


def assert_sound(path: Path, *, killed: bool = False) -> None:
    """Verify a log, and hold what came since the last time against the schema; a killed writer may leave half a line."""
    if not path.is_file():  # it is a device, or was never written
        return
    verifier, lines = Verifier(), 0
    for line in read_lines([str(path)]):
        verifier.add(line)
        lines += 1
        for piece in split_line(line.text) if lines > CHECKED_LINES.get(path, 0) else ():
            if piece.is_record and (record := json.loads(piece.text))["version"] not in EARLIER_FORMATS:
                assert_valid(record)
    CHECKED_LINES[path] = lines
    found = [
        one for one in verifier.finish().findings if not (killed and is_truncation(one.place.line, one.kind, lines))
    ]
    assert found == []


def is_truncation(line: int, kind: FindingKind, lines: int) -> bool:
    """Whether a log's last line is cut."""
    return line == lines and kind is FindingKind.TRUNCATED
