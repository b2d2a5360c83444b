"""The loop: observe, decide, re-check, act, record. It knows doors, not neighbors."""

from shoestring.supervisor.book import AttemptBook, Book, RunBook
from shoestring.supervisor.loop import Supervisor
from shoestring.supervisor.options import Options, TickReport

__all__ = ["AttemptBook", "Book", "Options", "RunBook", "Supervisor", "TickReport"]
