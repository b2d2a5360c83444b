"""The log of a command: append-only, bounded, neutral to what is in it, and never the reason why a job fails."""

import os
from pathlib import Path


class BoundedLog:
    """Keeps the first ``head_bytes`` as they come, and of the rest at least the last ``tail_bytes``.

    What lies beyond the head goes to ``log.tail`` and ``log.tail.old``, which take turns and are appended to
    the log when it is closed, with a line that says how much is missing. So an offset into the log stays good
    for ever, and after a SIGKILL the newest output still lies in the two. A disk that is full drops output,
    counted, and the log says so as soon as it can.
    """

    def __init__(self, path: Path, *, head_bytes: int, tail_bytes: int) -> None:
        self._path = path
        self._tail = path.with_name(f"{path.name}.tail")
        self._old = path.with_name(f"{path.name}.tail.old")
        self._file = _open(path)
        self._tail_file: int | None = None
        self._head_left, self._tail_bytes, self._head_bytes = head_bytes, tail_bytes, head_bytes
        self._tail_size = self._old_size = 0
        self._unwritten = 0
        self.dropped = 0
        self.error: str | None = None

    def write(self, data: bytes) -> None:
        """Take output in."""
        head, rest = data[: self._head_left], data[self._head_left :]
        if head:
            self._head_left -= len(head)
            self._put(head)
        if not rest:
            return
        if self._tail_file is None:
            self._begin_tail()
        if self._tail_size >= self._tail_bytes:
            self._turn()
        written = self._write_all(self._tail_file, rest)
        self._tail_size += written
        self.dropped += len(rest) - written

    def note(self, text: str) -> None:
        """A line of the runner's own, marked as such."""
        self.write(f"\n[shoestring: {text}]\n".encode())

    def close(self) -> None:
        """Bring head and tail together."""
        if self._tail_file is not None:
            os.close(self._tail_file)
            if self.dropped:
                self._put(b"\n[shoestring: %d bytes of output are left out here]\n" % self.dropped)
            self._append(self._old)
            self._append(self._tail)
        os.close(self._file)

    def _begin_tail(self) -> None:
        self._put(
            b"\n[shoestring: the log has reached %d bytes; the newest output goes on in %s]\n"
            % (self._head_bytes, self._tail.name.encode())
        )
        self._tail_file = _open(self._tail)

    def _turn(self) -> None:
        """Let the newer half become the older one, and begin a new one."""
        assert self._tail_file is not None
        os.close(self._tail_file)
        self.dropped += self._old_size
        self._tail.replace(self._old)
        self._tail_file = _open(self._tail)
        self._old_size, self._tail_size = self._tail_size, 0

    def _append(self, path: Path) -> None:
        if path.exists():
            before = self._unwritten
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    self._put(chunk)
            if self._unwritten == before:
                path.unlink()

    def _put(self, data: bytes) -> None:
        """To the log itself; first what was lost, if the disk takes data again."""
        if self._unwritten:
            line = b"\n[shoestring: %d bytes could not be written here]\n" % self._unwritten
            if self._write_all(self._file, line) < len(line):
                self._unwritten += len(data)
                return
            self._unwritten = 0
        self._unwritten += len(data) - self._write_all(self._file, data)

    def _write_all(self, descriptor: int | None, data: bytes) -> int:
        assert descriptor is not None
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(descriptor, view) :]
            except OSError as error:
                self.error = error.strerror or str(error)
                break
        return len(data) - len(view)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
