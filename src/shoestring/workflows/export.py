"""Export: the plain SkyPilot file of a job, for SkyPilot itself or for a tool that reads its files."""

import os
from pathlib import Path

from shoestring import jobfile
from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable


def export(path: Path, *, with_secrets: bool = False) -> jobfile.Exported:
    """The text without the `shoestring:` block.

    Raises:
        JobFileInvalid: the file has errors. NotFound: there is no such file.
    """
    return jobfile.plain_yaml(jobfile.load(path), with_secrets=with_secrets)


def write(exported: jobfile.Exported, target: Path, *, job: Path) -> None:
    """Write the text; a new file is readable by the user only, since environment values are in it.

    Raises:
        BadInput: the target can't be written, or is the job file itself, whose block would be lost.
    """
    if target.exists() and target.samefile(job):
        raise BadInput(
            f"{printable(str(target), limit=200)} is the job file", next_step="choose another -o FILE"
        )
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(exported.text)
    except OSError as error:
        shown = printable(str(target), limit=200)
        raise BadInput(f"can't write {shown}: {error.strerror}", next_step="choose another -o FILE") from None
