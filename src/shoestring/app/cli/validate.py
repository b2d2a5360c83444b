"""``shoestring validate JOB``."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from shoestring.domain.errors import BAD_INPUT, Problem
from shoestring.jobfile import parse_env
from shoestring.workflows.validate import Validation, summary, validate


def command(
    job: Annotated[Path, typer.Argument(help="Job file: a SkyPilot task YAML, with or without our block.")],
    env: Annotated[list[str] | None, typer.Option("--env", help="NAME=VALUE, or NAME from here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a job file; list every problem at once. Warnings leave the exit code at 0, errors make it 2."""
    found = validate(job, env=parse_env(env or (), os.environ))
    print(json.dumps(found.to_json(), indent=2) if as_json else render(found))
    if found.errors:
        raise typer.Exit(BAD_INPUT)


def render(found: Validation) -> str:
    """Problems by line, then what was understood."""
    warnings = len(found.problems) - len(found.errors)
    counts = [_count(len(found.errors), "error"), _count(warnings, "warning")]
    verdict = ", ".join(c for c in counts if c) or "valid"
    lines = [f"{found.path}: {verdict}"]
    for problem in found.problems:
        lines += _problem(problem)
    for workload in found.job.workloads if found.job else ():
        rows = summary(workload)
        width = max(map(len, rows))
        lines += ["", workload.name, *(f"  {key:<{width}}  {value}" for key, value in rows.items())]
    return "\n".join(lines)


def _problem(problem: Problem) -> list[str]:
    line = f"line {problem.line}" if problem.line is not None else "-"
    lines = [f"  {line:<10}{problem.severity:<9}{problem.where}: {problem.message}"]
    if problem.allowed:
        lines.append(f"{'':<21}allowed: {problem.allowed}")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}" if number else ""
