"""The types of all records, and the published JSON Schema of them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

import msgspec
from msgspec import Meta

from webhook.audit.chain import Fragment, Link
from webhook.audit.peer_attestation import Seen
from webhook.model.authentication import Authentication
from webhook.model.decision import Phase
from webhook.model.reason import Activity, ReasonCode, Verdict
from webhook.model.steps import IsolationStatus

# The version of the format. A key that a record gains or loses needs a new version.
VERSION: Final = "catflap.dev/audit/v1alpha4"
DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$", description="RFC 3339, in UTC")]
Digest = Annotated[str, Meta(description="The digest of the policy file in force; empty if there was none")]
Code = Annotated[ReasonCode, Meta(description="The reason for programs: docs/reason-codes.md defines each code")]
Signature = Annotated[str, Meta(description="Ed25519, base64, over the canonical record without signature and hash")]
PublicKey = Annotated[
    str, Meta(description="Ed25519 public key, base64, which verifies the signatures of this chain from this record on")
]
Certificate = Annotated[
    str, Meta(description="The signature of the audit root key over the canonical form of chain, publicKey and writer")
]
PeerAttestation = Annotated[
    Seen, Meta(description="The records of other chains that the writer read in its file since its last statement")
]


class Linked(TypedDict):
    """What every record has by being one of a chain."""

    version: Annotated[str, Meta(description="The format of the record")]
    catflap: Annotated[str, Meta(description="The release that wrote the record")]
    time: Time
    chain: Annotated[
        str, Meta(pattern="^[0-9a-f]{32}$", description="The random identifier of the chain of one process")
    ]
    seq: Annotated[int, Meta(ge=0, description="The position of the record in the chain, from 0")]
    prev: Annotated[
        str, Meta(pattern="^[0-9a-f]{64}$", description="The hash of the previous record; zeros in the first record")
    ]
    torn: NotRequired[
        Annotated[Sequence[Fragment], Meta(description="Partial lines of this writer before this record")]
    ]
    lost: NotRequired[
        Annotated[
            int,
            Meta(
                ge=1,
                description="The number of earlier records that could not be written, and whose requests were admitted",
            ),
        ]
    ]
    cut: NotRequired[
        Annotated[
            Sequence[str],
            Meta(
                description="The values that were too long for a record: the path, and how "
                "much of the value the record contains"
            ),
        ]
    ]
    hash: Annotated[
        str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256, in hex, of the canonical record without hash")
    ]


class User(TypedDict):
    """Who asked, as seen after impersonation."""

    username: str
    groups: Sequence[str]


class ObjectRef(TypedDict, total=False):
    """Which object was asked about; what is empty is left out."""

    apiGroup: str
    apiVersion: str
    resource: str
    subresource: str
    namespace: str
    name: Annotated[str, Meta(description="The name; with a star if the API server generates it")]


class ManifestRef(TypedDict):
    """Which object was written."""

    apiVersion: str
    kind: str
    namespace: Annotated[str, Meta(description="The namespace; empty for cluster-scoped objects")]
    name: str


class Fault(TypedDict):
    """Which rule is broken, where, in words."""

    rule: str
    path: str
    message: str


Faults = Sequence[Fault]


class DecisionRecord(TypedDict):
    """One answer to the API server.  It is no proof that the object was stored: what comes after us may refuse it."""

    type: Literal["decision"]
    time: Time
    id: Annotated[str, Meta(description="The uid of the AdmissionReview")]
    phase: Phase
    senderAuthentication: NotRequired[
        Annotated[Authentication, Meta(description="How the sender of the review proved that it is the API server")]
    ]
    user: User
    verb: Annotated[str, Meta(description="The operation, in lower case")]
    objectRef: ObjectRef
    dryRun: bool
    decision: Verdict
    reasonCode: Code
    policyDigest: Digest
    latencyMicroseconds: Annotated[int, Meta(ge=0, description="The time from the complete body to the decision")]
    reason: NotRequired[
        Annotated[str, Meta(description="The reason for people, if the code and the violations do not say everything")]
    ]
    denied: NotRequired[Annotated[Faults, Meta(description="The violations for which the request was rejected")]]
    warned: NotRequired[Annotated[Faults, Meta(description="The violations of which the user was warned")]]
    audited: NotRequired[Annotated[Faults, Meta(description="The violations that only the record contains")]]
    closure: NotRequired[
        Annotated[IsolationStatus, Meta(description="The result of the isolation check of the namespace")]
    ]
    patchedLabels: NotRequired[Annotated[Mapping[str, str], Meta(description="The labels that catflap added")]]


class WriteRecord(TypedDict):
    """One write of ours to the cluster."""

    type: Literal["write"]
    time: Time
    verb: str
    objectRef: ManifestRef
    reasonCode: Code
    reason: Annotated[str, Meta(description="The reason for people")]
    policyDigest: Digest


class ConfigurationRecord(TypedDict):
    """A policy file that came into force, or that was refused; the digest is of the one that holds after that."""

    type: Literal["configuration"]
    time: Time
    accepted: bool
    reasonCode: Code
    policyDigest: Digest
    faults: NotRequired[Sequence[str]]


class ServingCertificate(TypedDict):
    """The certificate that the API server is shown."""

    serial: Annotated[str, Meta(pattern="^[0-9a-f]+$", description="The serial number, in hex")]
    fingerprint: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of the certificate, in hex")]
    issuer: Annotated[str, Meta(description="RFC 4514")]
    names: Annotated[Sequence[str], Meta(description="The DNS names and addresses of the certificate")]
    notBefore: Time
    notAfter: Time


class CertificateRecord(TypedDict):
    """A serving certificate that came into use."""

    type: Literal["certificate"]
    time: Time
    serving: ServingCertificate
    reasonCode: Code
    reason: Annotated[str, Meta(description="The reason for people")]


class LeaderRecord(TypedDict):
    """A replica that began, or ceased, to do what one alone does."""

    type: Literal["leader"]
    time: Time
    objectRef: Annotated[ManifestRef, Meta(description="The Lease")]
    candidate: Annotated[str, Meta(description="The name of the replica in the Lease")]
    leads: bool
    reasonCode: Code
    reason: Annotated[str, Meta(description="The reason for people")]


class Pod(TypedDict, total=False):
    """The writer's Pod."""

    namespace: str
    name: str
    uid: str


class Writer(TypedDict):
    """Who writes a chain; what its environment does not tell is left out."""

    process: Annotated[str, Meta(description="serve or controller")]
    pid: int
    pod: NotRequired[Pod]
    node: NotRequired[str]
    bootId: NotRequired[
        Annotated[str, Meta(description="The boot identifier of the kernel, which changes at each boot")]
    ]


class StartRecord(TypedDict):
    """The first record of a chain."""

    type: Literal["start"]
    writer: Writer
    publicKey: PublicKey
    certificate: NotRequired[Certificate]
    previous: NotRequired[Annotated[Link, Meta(description="The last record of the log when this record was written")]]
    seen: NotRequired[PeerAttestation]


class CheckpointRecord(TypedDict):
    """The writer's word for everything before it."""

    type: Literal["checkpoint"]
    seen: NotRequired[PeerAttestation]
    signature: Signature


class KeyRecord(TypedDict):
    """The chain goes on under a new key; the old one signs."""

    type: Literal["key"]
    publicKey: PublicKey
    certificate: NotRequired[Certificate]
    signature: Signature


class StopRecord(TypedDict):
    """The last record of a chain whose process ended in order."""

    type: Literal["stop"]
    seen: NotRequired[PeerAttestation]
    signature: Signature


RECORD_TYPES: Final = (
    DecisionRecord,
    WriteRecord,
    ConfigurationRecord,
    CertificateRecord,
    LeaderRecord,
    StartRecord,
    CheckpointRecord,
    KeyRecord,
    StopRecord,
)


def reason_codes_of(kind: str) -> list[ReasonCode]:
    """Return the reason codes of a type of record, in the order of their definitions; none if it has no reason."""
    kinds = Verdict if kind == "decision" else [one for one in Activity if one == kind]
    return [code for code in ReasonCode if code.kind in kinds]


# The types of records that have a reason.
TYPES_WITH_REASON: Final = frozenset({"decision", *Activity})


def schema() -> dict[str, Any]:
    """Return the JSON Schema of one record."""
    _, parts = msgspec.json.schema_components([Linked, *RECORD_TYPES])
    linked = parts.pop("Linked")
    del parts[ReasonCode.__name__]
    for kind in RECORD_TYPES:
        part = parts[kind.__name__]
        if code := part["properties"].get("reasonCode"):
            del code["$ref"]
            code["enum"] = reason_codes_of(part["properties"]["type"]["enum"][0])
        part["properties"] = linked["properties"] | {"version": {"const": VERSION}} | part["properties"]
        part["required"] = sorted({*linked["required"], *part["required"]})
    for part in parts.values():
        if "properties" in part:
            part["additionalProperties"] = False
    return {
        "$schema": DRAFT,
        "$id": f"https://{VERSION}/record.schema.json",
        "title": "A record of the audit log of catflap",
        "oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in RECORD_TYPES],
        "$defs": parts,
    }
