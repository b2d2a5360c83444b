"""A run's variables, asked for again: they were never stored, so a new supervisor needs them anew."""

import os
from collections.abc import Sequence

from shoestring import jobfile
from shoestring.app.site import Site
from shoestring.domain.errors import BadInput


def env_again(site: Site, pairs: Sequence[str], *, strict: bool = True) -> dict[str, str]:
    """The variables of a site's job, from its file, this shell and ``pairs``.

    Args:
        strict: False gives what can be had instead of raising, for an adoption nobody asked for; a
            supervisor without a needed value never launches, it only watches over what runs.

    Raises:
        BadInput: a value is missing, or the job file is gone.
    """
    given = jobfile.parse_env(pairs, os.environ)
    if site.job_file is None:
        return given
    try:
        environment = jobfile.environments(site.job_file, env=given)[site.task]
        values = environment.complete() if strict else environment.values
    except BadInput:
        if strict:
            raise
        return given
    return {name: str(value) for name, value in values.items()}
