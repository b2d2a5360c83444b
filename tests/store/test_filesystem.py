"""Which files lie where other machines write too."""

from pathlib import Path

import pytest

from shoestring.store.filesystem import is_network, network_filesystem

MOUNTINFO = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:26 / /home rw,nosuid shared:15 - nfs4 filer:/home rw,vers=4.2
31 30 254:1 / /home/me/local rw master:2 propagate_from:1 - xfs /dev/vdb rw
32 22 0:40 / /scratch\040space rw - lustre 10.0.0.1@tcp:/fs rw,flock
33 22 0:41 / /mnt rw - ext4 /dev/vdc rw
34 22 0:42 / /mnt rw - fuse.sshfs me@host:/ rw
35 22 0:43 / /proc rw - proc proc rw
not a mount at all
36 22 0:44 / /odd rw without a separator
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/journal.db", None),
        ("/home/me/.shoestring/runs/r/journal.db", "nfs4"),
        ("/homework/journal.db", None),
        ("/home", "nfs4"),
        ("/home/me/local/journal.db", None),
        ("/scratch space/journal.db", "lustre"),
        ("/scratch/journal.db", None),
        ("/mnt/journal.db", "fuse.sshfs"),
        ("/odd/journal.db", None),
        ("/home/me/local/../journal.db", "nfs4"),
    ],
)
def test_the_innermost_and_newest_mount_decides(path: str, kind: str | None, tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTINFO)

    assert network_filesystem(Path(path), mounts) == kind


def test_a_link_is_followed_to_where_the_file_really_is(tmp_path: Path) -> None:
    real, link, mounts = tmp_path / "nfs", tmp_path / "home", tmp_path / "mountinfo"
    real.mkdir()
    link.symlink_to(real)
    mounts.write_text(f"1 0 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / {real} rw - nfs filer:/x rw\n")

    assert network_filesystem(link / "journal.db", mounts) == "nfs"


def test_a_system_that_tells_nothing_counts_as_local(tmp_path: Path) -> None:
    assert network_filesystem(tmp_path, tmp_path / "no-such-file") is None


NETWORK = ("nfs", "nfs4", "lustre", "cifs", "smb3", "gpfs", "beegfs", "fuse.sshfs", "9p", "virtiofs", "ceph")
LOCAL = ("ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse.lxcfs", "nfsd", "apfs", "f2fs")


@pytest.mark.parametrize("kind", NETWORK)
def test_shared_file_systems_are_known(kind: str) -> None:
    assert is_network(kind)


@pytest.mark.parametrize("kind", LOCAL)
def test_local_ones_are_left_alone(kind: str) -> None:
    assert not is_network(kind)
