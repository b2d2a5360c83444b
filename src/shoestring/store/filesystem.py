"""Where a file lies: on a disk of this machine, or on a file system that other machines write too."""

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

# SQLite's WAL needs memory shared by all that open the file; across machines there is none
# (sqlite.org/wal.html, "all processes using a database must be on the same host computer").
NETWORK = re.compile(
    r"9p|afs|beegfs|ceph|cifs|gfs2?|glusterfs|gpfs|lustre|nfs\d?|ocfs2|orangefs|panfs|smb\d|smbfs|vboxsf|virtiofs|wekafs"
    r"|fuse(blk)?\.(beegfs|blobfuse2?|ceph|ceph-fuse|gcsfuse|geesefs|glusterfs|goofys|juicefs|mount-s3|rclone|s3fs|sshfs)"
)


def network_filesystem(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The network file system that holds ``path``, e.g. ``nfs4``; None if it is local or unknown.

    Args:
        path: need not exist.
        mounts: a file in the format of ``/proc/self/mountinfo`` (man proc_pid_mountinfo); a system without
            one (macOS) tells us nothing, so its files count as local.
    """
    try:
        text = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    kind = _filesystem(path.resolve(), text)
    return kind if kind is not None and is_network(kind) else None


def is_network(kind: str) -> bool:
    """Whether file systems of this type (as mountinfo names it) are written by several machines.

    >>> is_network("nfs4"), is_network("fuse.sshfs"), is_network("ext4"), is_network("fuse.portal")
    (True, True, False, False)
    """
    return NETWORK.fullmatch(kind) is not None


def _filesystem(path: Path, mountinfo: str) -> str | None:
    """Type of the mount with the longest matching mount point; of several on one point the last counts."""
    best, kind = -1, None
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if not separator or len(fields) < 5 or not rest:
            continue
        mount_point = Path(_unescape(fields[4]))
        depth = len(mount_point.parts)
        if depth >= best and path.is_relative_to(mount_point):
            best, kind = depth, rest[0]
    return kind


def _unescape(field: str) -> str:
    r"""Mountinfo writes space, tab, newline and backslash as octal.

    >>> _unescape(r"/my\040disk")
    '/my disk'
    """
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
