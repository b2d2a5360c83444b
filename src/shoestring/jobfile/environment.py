"""Environment: names go with the Workload; values travel apart, as Secrets, and reach no journal or log."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable
from shoestring.jobfile import read
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report
from shoestring.ports import Secret

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_LOOKS_SECRET = re.compile(
    r"(?:^|_)(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|API_?KEY|ACCESS_KEY)(?:$|_)", re.I
)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The variables of a task.

    Attributes:
        names: all of them, in the file's order. values: those known; never shown.
        secret_names: those from `secrets:`.
        missing: names that must come from outside and have not.
        public: values of `envs:` that the file itself spells out, for ${NAME} in paths.
    """

    names: tuple[str, ...] = ()
    values: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    secret_names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    public: Mapping[str, str] = field(default_factory=dict, repr=False)

    def complete(self) -> Mapping[str, Secret]:
        """Every value, for the launch. Raises BadInput naming the variables that nobody gave."""
        if self.missing:
            names = ", ".join(self.missing)
            raise BadInput(
                f"no value for {names}",
                next_step=f"export {self.missing[0]}=... or --env {self.missing[0]}=...",
            )
        return self.values

    def fill_in(self, text: str) -> str:
        """``text`` with ${NAME} of `envs:` filled in; other variables stay for the shell."""
        return _VARIABLE.sub(lambda m: self.public.get(m[1] or m[2], m[0]), text)


def read_environment(
    task: Node, report: Report, *, given: Mapping[str, str], outside: Mapping[str, str]
) -> Environment:
    """`envs:`, `secrets:`, `managed_secrets:` and what the caller gave.

    Args:
        given: ``--env`` values; they win over the file's.
        outside: the process environment, asked only for names whose value the file leaves open.
    """
    declared: dict[str, str | None] = {}
    secret_names: list[str] = []
    if envs := task.get("envs"):
        declared |= _values(envs.hide(), report)
        for name, child in envs.entries.items():
            if _LOOKS_SECRET.search(name) and not child.is_null:
                read.warn(child, report, "looks like a secret; `secrets:` keeps it out of exported files")
    public = {name: value for name, value in declared.items() if value is not None}
    for key in ("secrets", "managed_secrets"):
        if secrets := task.get(key):
            found = _values(secrets.hide(), report)
            declared |= found
            secret_names += found
    values: dict[str, str | None] = {**declared, **given}
    values = {name: outside.get(name) if value is None else value for name, value in values.items()}
    environment = Environment(
        names=tuple(values),
        values={name: Secret(value) for name, value in values.items() if value is not None},
        secret_names=tuple(dict.fromkeys(secret_names)),
        missing=tuple(name for name, value in values.items() if value is None),
        public={**public, **{name: given[name] for name in public if name in given}},
    )
    _point_at_missing(task, report, environment.missing)
    return environment


def parse_env(options: Iterable[str], outside: Mapping[str, str]) -> dict[str, str]:
    """``--env`` options: ``NAME=VALUE``, or ``NAME`` to take it from the process environment.

    Raises:
        BadInput: no variable's name, or a name alone that ``outside`` does not have.

    >>> parse_env(["A=1=2", "HOME"], {"HOME": "/root"})
    {'A': '1=2', 'HOME': '/root'}
    """
    found: dict[str, str] = {}
    for option in options:
        name, given, value = option.partition("=")
        if not given and name in outside:
            value = outside[name]
        elif not given:
            raise BadInput(
                f"--env {printable(name, limit=60)}: not in the environment", next_step="--env NAME=VALUE"
            )
        found[name] = value
    check_given(found)
    return found


def check_given(given: Mapping[str, str]) -> None:
    """Refuse ``--env`` values that no process can take. Raises BadInput; the value is not shown."""
    for name, value in given.items():
        if not _NAME.fullmatch(name):
            raise BadInput(
                f"--env: {printable(name, limit=60)!r} is no variable's name", next_step="--env NAME=VALUE"
            )
        if "\0" in value:
            raise BadInput(f"--env {name}: the value holds a NUL character", next_step="leave it out")


def _values(node: Node, report: Report) -> dict[str, str | None]:
    """Names to values; None where the value must come from outside. `secrets` may be a list of names."""
    if node.kind is Kind.LIST:
        # Shown on purpose: items of this list are names. A value pasted here by mistake stays hidden.
        names = [(item.text, item) for item in node.items]
        return {name: None for name, item in names if _is_name(name, item, report)}
    found: dict[str, str | None] = {}
    for name, child in read.entries(node, report, "NAME: value"):
        if not _is_name(name, child, report):
            continue
        if child.kind is not Kind.SCALAR:
            read.error(
                child, report, f"expected text, found {child.shown}", allowed="text, a number, or null"
            )
        elif "\0" in child.text:
            read.error(child, report, "the value holds a NUL character", allowed="text without NUL")
        else:
            found[name] = None if child.is_null else child.text
    return found


def _is_name(name: str, node: Node, report: Report) -> bool:
    if _NAME.fullmatch(name):
        return True
    read.error(node, report, "not a variable's name", allowed="letters, digits and _, no digit first")
    return False


def _point_at_missing(task: Node, report: Report, missing: tuple[str, ...]) -> None:
    for name in missing:
        for key in ("envs", "secrets", "managed_secrets"):
            section = task.get(key)
            node = section.entries.get(name) if section else None
            if section and (node or name in [item.text for item in section.items]):
                message = f"{name} has no value yet; it must come from the environment or --env {name}=..."
                read.warn(node or section, report, message)
                break
