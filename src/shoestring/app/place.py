"""Where this user's things are and what the system calls the user: asked by verbs that need no settings."""

import os
from pathlib import Path


def home() -> Path:
    """Where runs and settings live: ``$SHOESTRING_HOME``, else ``~/.shoestring``."""
    given = os.environ.get("SHOESTRING_HOME")
    return Path(given).expanduser() if given else Path.home() / ".shoestring"


def runs_folder() -> Path:
    """Where every run has its folder."""
    return home() / "runs"


def user_name() -> str:
    """The operating system's user, recorded with requests; it is not authenticated."""
    return os.environ.get("USER") or os.environ.get("LOGNAME") or f"uid {os.getuid()}"
