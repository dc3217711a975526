"""Explain in words why the text of a key or a certificate cannot be read.

OpenSSL names its own routines ("NO_START_LINE (_ssl.c:4149)").
"""

import re
from typing import Final

CERTIFICATE: Final = "CERTIFICATE"
PRIVATE_KEY: Final = "PRIVATE KEY"
PUBLIC_KEY: Final = "PUBLIC KEY"
BEGIN: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
END: Final = b"-----END "
ENCRYPTED: Final = re.compile(rb"BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED")
ENCRYPTED_MESSAGE: Final = (
    "the key has a password; create a key without a password: openssl pkey -in FILE -out NEW_FILE"
)
DAMAGED_MESSAGE: Final = "the content between BEGIN and END is damaged; write the file again"
CONVERT: Final = {
    CERTIFICATE: "openssl x509 -inform DER -in FILE -out NEW_FILE",
    PRIVATE_KEY: "openssl pkey -inform DER -in FILE -out NEW_FILE",
    PUBLIC_KEY: "openssl pkey -pubin -pubout -inform DER -in FILE -out NEW_FILE",
}
DER: Final = b"\x30"  # the first byte of the binary form (ITU-T X.690, SEQUENCE)


def pem_error(content: bytes, expected_label: str = CERTIFICATE) -> str:
    """Return the fault of a file that should contain PEM; empty if its form is right.

    `expected_label` is the label after BEGIN in the expected block.
    """
    expected = f"expected the lines from -----BEGIN {expected_label}----- to -----END {expected_label}-----"
    if not content.strip():
        return f"the file is empty; {expected}"
    kinds = [found.decode() for found in BEGIN.findall(content)]
    if not kinds:
        binary = f" but looks like DER, the binary form (convert it: {CONVERT[expected_label]})"
        return f"it is not PEM{binary if content.startswith(DER) else ''}; {expected}"
    if not any(kind.endswith(expected_label) for kind in kinds):
        return f"it contains {' and '.join(dict.fromkeys(kinds))}; {expected}"
    if content.count(END) < len(kinds):
        return f"its last line is missing; {expected}"
    return ENCRYPTED_MESSAGE if ENCRYPTED.search(content) else ""
