"""SkyPilot's own keys (task YAML of 0.14.1): which there are, and the shape of those we only pass on."""

import re
from collections.abc import Callable, Mapping

from shoestring.jobfile import read
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report

TASK_KEYS = frozenset(
    ["name", "workdir", "num_nodes", "resources", "file_mounts", "service", "pool", "setup", "run", "envs",
     "secrets", "managed_secrets", "inputs", "outputs", "config", "experimental", "volumes", "volume_mounts",
     "event_callback", "api_server_access", "_metadata", "_policy_applied", "file_mounts_mapping"]
)  # fmt: skip
RESOURCE_KEYS = frozenset(
    ["infra", "cloud", "region", "zone", "accelerators", "instance_type", "cpus", "memory", "use_spot",
     "max_hourly_cost", "job_recovery", "spot_recovery", "disk_size", "disk_tier", "local_disk",
     "network_tier", "ports", "labels", "accelerator_args", "image_id", "autostop", "priority",
     "priority_class", "volumes", "any_of", "ordered"]
)  # fmt: skip
CONFIG_KEYS = frozenset(
    ["docker", "kubernetes", "ssh", "aws", "gcp", "azure", "oci", "nebius", "vast", "runpod", "nvidia_gpus",
     "slurm", "active_workspace", "jobs", "logs", "allowed_clouds", "hooks", "mithril"]
)  # fmt: skip
ACCELERATOR_ARGS = ("runtime_version", "tpu_name", "tpu_vm", "gcp_queued_resource")
HOOK_KEYS = ("run", "events", "timeout")
HOOK_EVENTS = ("stop", "preemption", "down")

Check = Callable[[Node, Report], object]


def check_passed_on(task: Node, report: Report) -> None:
    """Look over the task's keys that go to SkyPilot as they are."""
    read.check_keys(task, report, TASK_KEYS | {"shoestring"}, unknown_is_error=False)
    for key in ("service", "pool"):
        if node := task.get(key):
            read.warn(node, report, "passed on untouched: shoestring runs jobs, it serves nothing")
    for key in ("volumes", "volume_mounts", "outputs"):
        if (node := task.get(key)) and node.kind is Kind.SCALAR:
            read.error(node, report, f"expected a mapping, found {node.shown}", allowed="path: volume")
    if config := task.get("config"):
        _check_config(config, report)


def check_passed_on_resources(resources: Node, report: Report) -> None:
    """Look over the keys of ``resources`` that shoestring itself has no use for."""
    for key, check in _RESOURCE_CHECKS.items():
        if node := resources.get(key):
            check(node, report)


def _check_config(config: Node, report: Report) -> None:
    if config.kind is not Kind.MAPPING:
        read.error(
            config, report, f"expected a mapping, found {config.shown}", allowed="e.g. kubernetes, docker"
        )
        return
    read.check_keys(config, report, CONFIG_KEYS, unknown_is_error=False)
    hooks = config.get("hooks")
    if hooks is None:
        return
    if hooks.kind is not Kind.LIST:
        read.error(hooks, report, f"expected a list, found {hooks.shown}", allowed="a list of {run, events}")
    for hook in hooks.items:
        _check_hook(hook, report)


def _check_hook(hook: Node, report: Report) -> None:
    if hook.kind is not Kind.MAPPING:
        read.error(hook, report, f"expected a mapping, found {hook.shown}", allowed="{run, events, timeout}")
        return
    read.check_keys(hook, report, HOOK_KEYS, unknown_is_error=False)
    if run := hook.get("run"):
        read.script(run, report)
    else:
        read.error(hook, report, "a hook without `run`", allowed="{run, events, timeout}")
    if events := hook.get("events"):
        for event in events.items if events.kind is Kind.LIST else (events,):
            read.choice(event, report, HOOK_EVENTS)
    if timeout := hook.get("timeout"):
        read.number(timeout, report, above=0)


def _ports(node: Node, report: Report) -> None:
    for item in node.items if node.kind is Kind.LIST else (node,):
        written = read.text(item, report, allowed="8080 or 8000-8010")
        if written is None:
            continue
        ports = [int(p) for p in written.split("-")] if re.fullmatch(r"\d{1,5}(-\d{1,5})?", written) else []
        if not ports or ports != sorted(ports) or not all(1 <= p <= 65535 for p in ports):
            read.error(item, report, f"{item.shown} is no port", allowed="8080 or 8000-8010, from 1 to 65535")


def _image(node: Node, report: Report) -> None:
    """An image, or one per region."""
    for item in node.entries.values() if node.kind is Kind.MAPPING else (node,):
        written = read.text(item, report, allowed="e.g. docker:pytorch/pytorch:2.4.0")
        if written is not None and (written.startswith("-") or re.search(r"\s", written)):
            read.error(item, report, f"{item.shown} is no image", allowed="no spaces, no leading -")


def _autostop(node: Node, report: Report) -> None:
    allowed = "true, minutes, 10m, 2h, or {idle_minutes, down, wait_for}"
    if node.kind is Kind.MAPPING:
        known = ("idle_minutes", "down", "wait_for", "hook", "hook_timeout")
        read.check_keys(node, report, known, unknown_is_error=False)
    elif not isinstance(node.value, bool) and not re.fullmatch(r"-?\d{1,6}[mhdw]?", node.text):
        read.error(node, report, f"{node.shown} is no idle time", allowed=allowed)


def _accelerator_args(node: Node, report: Report) -> None:
    if node.kind is not Kind.MAPPING:
        read.error(
            node, report, f"expected a mapping, found {node.shown}", allowed=", ".join(ACCELERATOR_ARGS)
        )
    read.check_keys(node, report, ACCELERATOR_ARGS, unknown_is_error=False)


def _volumes(node: Node, report: Report) -> None:
    if node.kind is Kind.SCALAR:
        read.error(node, report, f"expected a list, found {node.shown}", allowed="a list of volumes")


_RESOURCE_CHECKS: Mapping[str, Check] = {
    "disk_tier": lambda n, r: read.choice(n, r, ("low", "medium", "high", "ultra", "best", "none")),
    "network_tier": lambda n, r: read.choice(n, r, ("standard", "best")),
    "local_disk": read.text,
    "ports": _ports,
    "image_id": _image,
    "autostop": _autostop,
    "accelerator_args": _accelerator_args,
    "priority": lambda n, r: read.integer(n, r, minimum=-1000, maximum=1000),
    "priority_class": read.text,
    "volumes": _volumes,
    "spot_recovery": read.text,
}
