"""`shoestring check`: what is usable here and now, and for everything that is not, how to get it."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at. ``fix``: a command or a sentence; None when nothing needs mending.

    ``needed`` tells what every user needs from what only some do.
    """

    group: str
    name: str
    ok: bool
    detail: str
    fix: str | None = None
    needed: bool = False


# What shows that somebody has an account; presence of credentials, never their validity: nothing is called.
CLOUD_CREDENTIALS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "aws": (("AWS_ACCESS_KEY_ID", "AWS_PROFILE"), (".aws/credentials", ".aws/config"), "aws configure"),
    "gcp": (
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        (".config/gcloud/application_default_credentials.json",),
        "gcloud auth application-default login",
    ),
    "azure": (("AZURE_CLIENT_ID",), (".azure/azureProfile.json",), "az login"),
    "lambda": (("LAMBDA_API_KEY",), (".lambda_cloud/lambda_keys",), "export LAMBDA_API_KEY=..."),
    "runpod": (("RUNPOD_API_KEY",), (".runpod/config.toml",), "export RUNPOD_API_KEY=..."),
    "nebius": (("NEBIUS_IAM_TOKEN",), (".nebius/credentials.json",), "see the provider's sign-in page"),
}

LIBRARIES: Mapping[str, tuple[str, str]] = {
    "torch": ("checkpoints of training scripts (shoestring.training)", "pip install 'shoestring[torch]'"),
    "pynvml": ("the GPU meter", "pip install 'shoestring[gpu]'"),
    "duckdb": ("bills, costs and budgets", "pip install 'shoestring[ledger]'"),
    "boto3": ("live spot prices of AWS", "pip install 'shoestring[aws]'"),
    "plotly": ("pictures and the HTML report", "pip install 'shoestring[report]'"),
}

ENGINES: Mapping[str, tuple[str, str]] = {
    "slurm": ("sbatch", "install the Slurm client, or run on a login node"),
    "kubernetes": ("kubectl", "install kubectl and set KUBECONFIG"),
    "skypilot": ("sky", "pip install skypilot in an environment of its own"),
}


def check(home: Path, *, extra: tuple[Callable[[], list[Finding]], ...] = ()) -> list[Finding]:
    """Look at everything; nothing is changed and no network is used.

    Args:
        home: where runs are kept. extra: looks that only the roof can take (price ages, orphans).
    """
    findings = [_python(), *_home(home), *_executors(), *_libraries(), *_clouds(), _accelerator()]
    for look in extra:
        findings += look()
    return findings


def _python() -> Finding:
    version = ".".join(str(n) for n in sys.version_info[:3])
    return Finding(group="setup", name="python", ok=True, detail=version, needed=True)


def _home(home: Path) -> list[Finding]:
    existing = next(p for p in (home, *home.parents) if p.exists())
    writable = os.access(existing, os.W_OK)
    free = shutil.disk_usage(existing).free
    return [
        Finding(
            group="setup",
            name="home",
            ok=writable,
            detail=str(home),
            fix=None if writable else f"make {existing} writable, or set SHOESTRING_HOME",
            needed=True,
        ),
        Finding(
            group="setup",
            name="disk",
            ok=free > 1 << 30,
            detail=f"{free / 2**30:.1f} GiB free at {existing}",
            fix=None if free > 1 << 30 else "free some space: checkpoints need it",
            needed=True,
        ),
    ]


def _executors() -> list[Finding]:
    built_in = [
        Finding(
            group="executors", name="local", ok=True, detail="this machine, as owned capacity", needed=True
        ),
        Finding(
            group="executors", name="rehearsal", ok=True, detail="a spot market on this machine", needed=True
        ),
    ]
    found = []
    for name, (program, fix) in ENGINES.items():
        path = shutil.which(program)
        detail = (
            f"{program} is here, but this release has no {name} executor yet" if path else f"no {program}"
        )
        found.append(
            Finding(group="executors", name=name, ok=False, detail=detail, fix=None if path else fix)
        )
    return built_in + found


def _libraries() -> list[Finding]:
    rows = []
    for module, (what, fix) in LIBRARIES.items():
        there = importlib.util.find_spec(module) is not None
        rows.append(
            Finding(group="libraries", name=module, ok=there, detail=what, fix=None if there else fix)
        )
    return rows


def _clouds() -> list[Finding]:
    rows = []
    for cloud, (variables, files, fix) in CLOUD_CREDENTIALS.items():
        shown = [f"${v}" for v in variables if os.environ.get(v)]
        shown += [f"~/{f}" for f in files if (Path.home() / f).is_file()]
        detail = f"credentials: {', '.join(shown)} (not tried)" if shown else "no credentials"
        rows.append(
            Finding(group="clouds", name=cloud, ok=bool(shown), detail=detail, fix=None if shown else fix)
        )
    return rows


def _accelerator() -> Finding:
    devices = sorted(p.name for p in Path("/dev").glob("nvidia[0-9]*"))
    detail = ", ".join(devices) if devices else "no NVIDIA device; jobs run on the CPU"
    fix = None if devices else "nothing to do for CPU jobs (backend: cpu)"
    return Finding(group="setup", name="accelerator", ok=bool(devices), detail=detail, fix=fix)
