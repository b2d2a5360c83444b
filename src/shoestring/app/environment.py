"""A run's variables, asked for again: they were never stored, so a new supervisor needs them anew."""

from collections.abc import Sequence

from shoestring import jobfile
from shoestring.app.site import Site
from shoestring.domain.errors import BadInput


def parse_env(pairs: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` or ``NAME`` (taken from this shell) as a mapping. Raises BadInput for anything else."""
    import os

    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name.replace("_", "a").isalnum() or name[:1].isdigit():
            raise BadInput("--env: give NAME=VALUE, or NAME to take it from this shell")
        if not equals and name not in os.environ:
            raise BadInput(f"--env {name}: this shell has no such variable", next_step=f"export {name}=...")
        found[name] = value if equals else os.environ[name]
    return found


def env_again(site: Site, pairs: Sequence[str], *, strict: bool = True) -> dict[str, str]:
    """The variables of a site's job, from its file, this shell and ``pairs``.

    Args:
        strict: False gives what can be had instead of raising, for an adoption nobody asked for; a
            supervisor without a needed value never launches, it only watches over what runs.

    Raises:
        BadInput: a value is missing, or the job file is gone.
    """
    given = parse_env(pairs)
    if site.job_file is None:
        return given
    try:
        task = jobfile.load(site.job_file, env=given).tasks[site.task]
        values = task.environment.complete() if strict else task.environment.values
    except BadInput:
        if strict:
            raise
        return given
    return {name: str(value) for name, value in values.items()}
