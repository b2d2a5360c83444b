"""Mounts: `file_mounts`, whose types say where checkpoints and data lie."""

import re
from dataclasses import dataclass

from shoestring.domain.text import unsafe_characters
from shoestring.jobfile import read
from shoestring.jobfile.environment import Environment
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report, did_you_mean
from shoestring.jobfile.url import carries_credentials

KEYS = ("name", "source", "store", "mode", "type", "persistent", "config", "_is_sky_managed",
        "_bucket_sub_path", "_force_delete")  # fmt: skip
MODES = ("MOUNT", "COPY", "MOUNT_CACHED")
TYPES = ("MODEL_CHECKPOINT_RO", "MODEL_CHECKPOINT_RW", "DATASET_RO", "DATASET_RW")
STORES = ("S3", "GCS", "AZURE", "R2", "IBM", "OCI", "NEBIUS", "COREWEAVE", "VASTDATA", "HF", "VOLUME")
# The scheme a bucket of a store is addressed with.
_SCHEMES = {"S3": "s3", "GCS": "gs", "R2": "r2", "IBM": "cos", "OCI": "oci", "NEBIUS": "nebius",
            "COREWEAVE": "cw", "HF": "hf"}  # fmt: skip
# Whose cloud a URI's bytes lie in; the region is not in the URI.
PROVIDERS = {"s3": "aws", "gs": "gcp", "gcs": "gcp", "r2": "cloudflare", "cos": "ibm", "oci": "oci",
             "nebius": "nebius", "cw": "coreweave", "hf": "huggingface", "az": "azure", "abfs": "azure",
             "abfss": "azure"}  # fmt: skip
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Something that is at ``target`` on every node.

    Attributes:
        source: local path or URI; None for a new, empty bucket.
        name: bucket or volume. store, mode, type: in SkyPilot's capital letters; None if not given.
    """

    target: str
    source: str | None = None
    name: str | None = None
    store: str | None = None
    mode: str | None = None
    type: str | None = None

    @property
    def location(self) -> str:
        """Where the bytes lie: the bucket's URI if there is one, else the path on the node."""
        if self.source and "://" in self.source:
            return self.source
        if self.name and self.store in _SCHEMES:
            return f"{_SCHEMES[self.store]}://{self.name}"
        return self.target


def provider_of(uri: str) -> str | None:
    """The cloud whose storage a URI names; None for paths and unknown schemes.

    >>> provider_of("gs://bucket/x"), provider_of("/data")
    ('gcp', None)
    """
    scheme, colon, rest = uri.partition("://")
    if not colon:
        return None
    if scheme == "https" and ".blob.core.windows.net" in rest.partition("/")[0]:
        return "azure"
    return PROVIDERS.get(scheme.lower())


def read_mounts(node: Node | None, report: Report, environment: Environment) -> tuple[Mount, ...]:
    """``file_mounts:``, with variables of `envs:` filled in."""
    if node is None:
        return ()
    found = (
        _mount(target, child, report, environment)
        for target, child in read.entries(node, report, "/remote/path: source")
    )
    return tuple(mount for mount in found if mount is not None)


def _mount(written: str, node: Node, report: Report, environment: Environment) -> Mount | None:
    target = environment.fill_in(written)
    if not _is_target(target):
        read.error(node, report, "not a path on the node", allowed="/data, ~/data or data, without .. in it")
        return None
    if node.kind is Kind.SCALAR:
        source = read.location(node, report)
        return (
            None
            if source is None
            else _checked(Mount(target=target, source=environment.fill_in(source)), node, report)
        )
    if node.kind is Kind.LIST:
        read.error(node, report, "expected a source or a mapping, found a list", allowed=", ".join(KEYS[:7]))
        return None
    read.check_keys(node, report, KEYS, unknown_is_error=False)
    source_node, name_node = node.get("source"), node.get("name")
    # A list of sources is one bucket filled from several places; its name is what matters here.
    single = source_node if source_node and source_node.kind is not Kind.LIST else None
    source = read.location(single, report) if single else None
    name = read.text(name_node, report) if name_node else None
    mount = Mount(
        target=target,
        source=environment.fill_in(source) if source else None,
        name=environment.fill_in(name) if name else None,
        store=_store(node.get("store"), report),
        mode=read.choice(mode, report, MODES) if (mode := node.get("mode")) else None,
        type=read.choice(kind, report, TYPES) if (kind := node.get("type")) else None,
    )
    if mount.name and "$" not in mount.name and not _BUCKET.fullmatch(mount.name):
        read.error(
            name_node or node, report, "not a bucket's or volume's name", allowed="letters, digits, . _ -"
        )
    return _checked(mount, node, report)


def _store(node: Node | None, report: Report) -> str | None:
    """SkyPilot learns new stores with every release, so a strange one is only pointed at."""
    written = read.text(node, report, allowed=", ".join(STORES)) if node else None
    if node and written is not None and written.upper() not in STORES:
        read.warn(node, report, f"store {node.shown} is not known.{did_you_mean(written, STORES)}")
    return written.upper() if written else None


def _checked(mount: Mount, node: Node, report: Report) -> Mount:
    if mount.source and carries_credentials(mount.source):
        read.error(
            node, report, "a user or password inside a URL", allowed="the URL without it; use `secrets:`"
        )
    return mount


def _is_target(target: str) -> bool:
    return bool(
        target
        and len(target) <= read.MAX_TEXT
        and not target.startswith("-")
        and not unsafe_characters(target)
        and ".." not in target.split("/")
    )
