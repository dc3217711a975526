"""What a file is that is neither YAML nor JSON, by its first bytes, and what to do about it."""

from typing import Final, NamedTuple

EXPECTED: Final = "expected YAML or JSON"
ARCHIVE: Final = "unpack it first, and pass the files in it"
PICTURE: Final = f"an image instead of text; {EXPECTED}"
PROGRAM: Final = f"a program instead of text; {EXPECTED}"
ENCRYPTED: Final = "encrypted; decrypt it first:"
PAGE: Final = f"an HTML page, such as an error page of a server; {EXPECTED}"
TAR_AT: Final = 257  # pax(1), "ustar Interchange Format": the magic of a header


class FileType(NamedTuple):
    """A type of files: how they begin, and the rest of the sentence "this is …"."""

    begins: bytes
    says: str


# https://www.iana.org/assignments/media-types, and the manual of each program.
TYPES: Final = (
    FileType(b"\x1f\x8b", "compressed with gzip; unpack it first with gzip -d, or with tar -xzf if it is a chart "
                          "or another archive"),
    FileType(b"BZh", "compressed with bzip2; unpack it first with bzip2 -d"),
    FileType(b"\xfd7zXZ\0", "compressed with xz; unpack it first with xz -d"),
    FileType(b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first with zstd -d"),
    FileType(b"\x04\x22\x4d\x18", "compressed with lz4; unpack it first with lz4 -d"),
    FileType(b"PK\x03\x04", f"a ZIP archive; {ARCHIVE}"),
    FileType(b"7z\xbc\xaf\x27\x1c", f"a 7z archive; {ARCHIVE}"),
    FileType(b"\x89PNG\r\n\x1a\n", PICTURE),
    FileType(b"\xff\xd8\xff", PICTURE),
    FileType(b"GIF8", PICTURE),
    FileType(b"%PDF-", f"a PDF document; {EXPECTED}"),
    FileType(b"\x7fELF", PROGRAM),
    FileType(b"MZ\x90\0", PROGRAM),
    FileType(b"SQLite format 3\0", f"an SQLite database; {EXPECTED}"),
    FileType(b"k8s\0", "an object as etcd stores it; kubectl get -o yaml prints it as YAML"),
    FileType(b"-----BEGIN PGP MESSAGE-----", f"{ENCRYPTED} gpg -d FILE"),
    FileType(b"age-encryption.org/", f"{ENCRYPTED} age -d FILE"),
    FileType(b"-----BEGIN AGE ENCRYPTED FILE-----", f"{ENCRYPTED} age -d FILE"),
    FileType(b"$ANSIBLE_VAULT;", f"{ENCRYPTED} ansible-vault view FILE"),
    FileType(b"\0GITCRYPT\0", f"{ENCRYPTED} git-crypt unlock"),
    FileType(b"version https://git-lfs.github.com/spec/", "a pointer of Git LFS instead of the file; fetch the "
                                                          "file first with git lfs pull"),
    FileType(b"-----BEGIN ", f"PEM, such as a certificate or a key; {EXPECTED}"),
    FileType(b"<?xml", f"XML; {EXPECTED}"),
    FileType(b"<!DOCTYPE html", PAGE),
    FileType(b"<!doctype html", PAGE),
    FileType(b"<html", PAGE),
)  # fmt: skip


def file_type(content: bytes) -> str:
    """Return the sentence for a file that is neither YAML nor JSON; empty where its first bytes do not say so."""
    found = next((one.says for one in TYPES if content.startswith(one.begins)), "")
    if not found and content[TAR_AT : TAR_AT + 5] == b"ustar":
        found = f"a tar archive; {ARCHIVE}"
    return f"this is {found}" if found else ""
