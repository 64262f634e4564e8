"""The output of a running process, line by line, while it runs."""

import threading
from typing import Callable, TextIO


class Lines:
    def __init__(self, stream: TextIO):
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: TextIO) -> None:
        for line in stream:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, wanted: Callable[[str], bool], timeout: float) -> str | None:
        """The first line that is wanted; None when the output ended or the time is over."""
        def found():
            return next((line for line in self._lines if wanted(line)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None or self._ended, timeout)
            return found()

    def text(self) -> str:
        with self._changed:
            return "\n".join(self._lines)

    def finish(self) -> str:
        """All of the output, once the process has ended."""
        self._thread.join(10)
        return self.text()
