"""``shoestring catalog refresh``: ask providers, show what came."""

import json
from collections.abc import Sequence

import typer

from shoestring.app.cli._show import console
from shoestring.app.config import load_settings
from shoestring.app.feeds import KEYS
from shoestring.app.live import AT_LEISURE_S, asked
from shoestring.catalog.load import embedded
from shoestring.domain.errors import FAILED, BadInput
from shoestring.domain.text import printable
from shoestring.workflows.refresh import refreshed_json


def refresh_command(
    providers: Sequence[str], *, region: str | None, accelerator: str | None, as_json: bool
) -> None:
    """Ask the providers named, or all that can be asked from here.

    Raises:
        BadInput: an unknown provider or accelerator, or no key for it.
    """
    keys = None
    if accelerator is not None:
        keys = [key for key, _ in embedded().names.keys_of(accelerator)]
        if not keys:
            raise BadInput(
                f"--accelerator {accelerator}: not in the catalog",
                next_step="shoestring catalog --hardware",
            )
    found = asked(
        load_settings(),
        list(dict.fromkeys(providers)) or None,
        regions=None if region is None else [region],
        accelerators=keys,
        seconds=AT_LEISURE_S,
        quiet=as_json,
    )
    if as_json:
        print(json.dumps(refreshed_json(found), indent=2))
    else:
        out = console()
        for r in found:
            told = f"{len(r.points)} prices, {r.new} of new offers, {r.changed} changed"
            out.print(printable(f"{r.provider}: {r.problem or told}"), soft_wrap=True)
            if r.next_step:
                out.print(printable(f"  next: {r.next_step}"), soft_wrap=True)
        silent = [name for name in KEYS if name not in {r.provider for r in found}]
        if silent and not providers:
            out.print(f"not asked, for want of a key or a library: {', '.join(silent)} (shoestring check)")
    if not any(r.points for r in found):
        raise typer.Exit(FAILED)
