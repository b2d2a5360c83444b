"""The log of a command: append-only, bounded, and never the reason why a job fails."""

import os
from collections import deque
from pathlib import Path

HEAD_BYTES = 64 << 20
TAIL_BYTES = 1 << 20


class BoundedLog:
    """Keeps the first 64 MiB as they come and the last 1 MiB at the end, and says how much lies between.

    A disk that is full drops output too, counted; the job goes on.
    """

    def __init__(self, path: Path, *, head_bytes: int = HEAD_BYTES, tail_bytes: int = TAIL_BYTES) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._left, self._tail_bytes = head_bytes, tail_bytes
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.dropped = 0
        self.error: str | None = None

    def write(self, data: bytes) -> None:
        """Take output in."""
        head, rest = data[: self._left], data[self._left :]
        if head:
            self._left -= len(head)
            self._put(head)
        if rest:
            self._tail.append(rest)
            self._tail_size += len(rest)
            while self._tail_size - len(self._tail[0]) >= self._tail_bytes:
                gone = self._tail.popleft()
                self._tail_size -= len(gone)
                self.dropped += len(gone)

    def close(self) -> None:
        """Write the tail and close."""
        if self._tail:
            if self.dropped:
                self._put(b"\n[shoestring: %d bytes of output left out here]\n" % self.dropped)
            self._put(b"".join(self._tail))
            self._tail.clear()
        os.close(self._file)

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._file, view) :]
            except OSError as error:
                self.dropped += len(view)
                self.error = error.strerror or str(error)
                return
