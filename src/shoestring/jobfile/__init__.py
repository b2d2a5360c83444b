"""The door for job files: SkyPilot's task YAML as it is, plus an optional `shoestring:` block.

    job = jobfile.load("train.yaml")            every problem at once in JobFileInvalid
    job = jobfile.from_command(["python", "train.py"])
    job.workloads                               what the house works with

One noun, one parser, one file: see ``resources``, ``mounts``, ``environment`` and the package ``block``.
"""

from shoestring.jobfile.code import code_sha256
from shoestring.jobfile.environment import Environment, parse_env
from shoestring.jobfile.export import Exported, plain_yaml
from shoestring.jobfile.file import JobFile, environments, from_command, load
from shoestring.jobfile.mounts import Mount
from shoestring.jobfile.task import Task
from shoestring.jobfile.workdir import GitSource

__all__ = [
    "Environment",
    "Exported",
    "GitSource",
    "JobFile",
    "Mount",
    "Task",
    "code_sha256",
    "environments",
    "from_command",
    "load",
    "parse_env",
    "plain_yaml",
]
