"""Detection of the encoding of a file by its byte order mark, as in kubectl."""

import codecs
from collections.abc import Iterator
from typing import Final

UTF_8: Final = "utf-8"
UTF_32: Final = "this is UTF-32, which kubectl cannot read; save it as UTF-8"
UTF_32_MARKS: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, UTF_8),
)


def is_utf_32(content: bytes) -> bool:
    """Return whether a text is UTF-32, by its byte order mark or by the three zero bytes of its first ASCII character."""
    return content.startswith(UTF_32_MARKS) or b"\0\0\0" in {content[:3], content[1:4]}


def undecodable(content: bytes) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield a message about the first byte of a text that its encoding does not have, with its line and column."""
    encoding, behind = detect_encoding(content)
    try:
        behind.decode(encoding or UTF_8)
    except UnicodeDecodeError as bad:
        before = behind[: bad.start].decode(encoding or UTF_8, "replace")
        called = UTF_8.upper() if encoding == UTF_8 else "UTF-16"
        says = (
            f"byte 0x{behind[bad.start]:02x} is not {called}, and kubectl replaces it with U+FFFD; save the "
            "file as UTF-8"
        )
        yield says, (before.count("\n") + 1, len(before) - before.rfind("\n"))


def detect_encoding(content: bytes) -> tuple[str, bytes]:
    """Return the encoding of a text, and the bytes after its byte order mark; the encoding is empty for UTF-16 without a mark."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return encoding, content.removeprefix(mark)
    return "" if b"\0" in content[:2] else UTF_8, content
