"""The database of a stopped server, as someone with access to its files sees it."""

import shutil
import sqlite3
from pathlib import Path

# Keys of the audit log, which has a table of its own.
_LOG = b"audit/"


class Database:
    def __init__(self, folder: Path):
        self._path = folder / "strongroom.db"
        assert self._path.exists(), f"no database in {folder}"

    def _run(self, statement: str, *values) -> list[tuple]:
        connection = sqlite3.connect(self._path)
        try:
            rows = connection.execute(statement, values).fetchall()
            connection.commit()
            return rows
        finally:
            connection.close()

    def rows(self, prefix: str) -> list[tuple[bytes, bytes]]:
        """The rows whose key begins with the prefix, in the order of their keys."""
        found = self._run("SELECT key, value FROM entries")
        found += [(_LOG + f"{number:016x}".encode(), value) for number, value in self._run("SELECT number, value FROM log")]
        return sorted((bytes(key), bytes(value)) for key, value in found if bytes(key).startswith(prefix.encode()))

    def write(self, key: bytes, value: bytes) -> None:
        self._run("UPDATE {} SET value = ? WHERE {} = ?".format(*self._place(key)[:2]), value, self._place(key)[2])

    def remove(self, key: bytes) -> None:
        self._run("DELETE FROM {} WHERE {} = ?".format(*self._place(key)[:2]), self._place(key)[2])

    def _place(self, key: bytes) -> tuple[str, str, bytes | int]:
        """The table of a key, the column that tells its rows apart, and what stands in it."""
        if key.startswith(_LOG):
            return "log", "number", int(key.removeprefix(_LOG), 16)
        return "entries", "key", key

    def swap(self, first: tuple[bytes, bytes], second: tuple[bytes, bytes]) -> None:
        self.write(first[0], second[1])
        self.write(second[0], first[1])


def flipped(value: bytes, at: int) -> bytes:
    """The same bytes with one bit turned over."""
    changed = bytearray(value)
    changed[at] ^= 0x01
    return bytes(changed)


def copy_of(folder: Path, to: Path) -> Path:
    """A copy of a stopped server's data folder, without the space it keeps in reserve."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("reserve"))
    return to
