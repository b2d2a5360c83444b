"""The log of a run: what its attempts printed, in order, readable from any shell and from any point."""

from collections.abc import Iterator

from shoestring.app.lookup import book_of
from shoestring.app.site import Site
from shoestring.app.wiring import open_doors
from shoestring.domain.errors import ExecutorUnavailable

CHUNK = 1 << 18
MAX_CHUNKS = 1 << 14  # 4 GiB in one go; the runner caps logs far below


class LogReader:
    """Reads on from where it stopped, attempt by attempt."""

    def __init__(self, site: Site) -> None:
        self._site, self._doors = site, open_doors(site)
        self._offsets: dict[str, int] = {}

    def at_end(self) -> bool:
        """Whether nothing more will be printed."""
        run = book_of(self._doors.journal).runs.get(self._site.run_id)
        return run is not None and (run.done or run.state.value == "suspended")

    def read(self) -> Iterator[tuple[str, bytes]]:
        """New bytes of each attempt, oldest attempt first; an engine that is away has none for now."""
        run = book_of(self._doors.journal).runs.get(self._site.run_id)
        for attempt in run.attempts if run is not None else ():
            for _ in range(MAX_CHUNKS):
                offset = self._offsets.get(attempt.token, 0)
                try:
                    chunk, following = self._doors.executor.logs(attempt.token, offset, CHUNK)
                except ExecutorUnavailable:
                    return
                self._offsets[attempt.token] = following
                if not chunk:
                    break
                yield attempt.id, chunk
