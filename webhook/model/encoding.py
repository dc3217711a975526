"""How the text of a file is encoded, by its byte order mark, as kubectl tells UTF-16 from UTF-8."""

import codecs
from collections.abc import Iterator
from typing import Final

UTF_8: Final = "utf-8"
UTF_32: Final = "this is UTF-32, which kubectl cannot read; save it as UTF-8"
OF_UTF_32: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
MARKS: Final = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF8, UTF_8))


def is_utf_32(content: bytes) -> bool:
    """Whether a text is UTF-32, by its mark or by the three bytes beside the first character of ASCII."""
    return content.startswith(OF_UTF_32) or b"\0\0\0" in {content[:3], content[1:4]}


def undecodable(content: bytes) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield a sentence about the first byte of a text that its encoding does not have, with its line and column."""
    encoding, behind = marked(content)
    try:
        behind.decode(encoding or UTF_8)
    except UnicodeDecodeError as bad:
        before = behind[: bad.start].decode(encoding or UTF_8, "replace")
        called = UTF_8.upper() if encoding == UTF_8 else "UTF-16"
        says = f"byte 0x{behind[bad.start]:02x} is not {called}, and kubectl reads U+FFFD in its place; save the file as UTF-8"
        yield says, (before.count("\n") + 1, len(before) - before.rfind("\n"))


def marked(content: bytes) -> tuple[str, bytes]:
    """The encoding of a text, and the bytes behind its byte order mark; the encoding is empty for UTF-16 without a mark."""
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return encoding, content.removeprefix(mark)
    return "" if b"\0" in content[:2] else UTF_8, content
