"""Find the newest checkpoint that is whole, and load it; never quietly begin from scratch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shoestring.domain.errors import CheckpointCorrupt
from shoestring.training import checkpoints, dcp, manifest, tree
from shoestring.training.manifest import Manifest
from shoestring.training.orders import Pinned
from shoestring.training.place import Folder
from shoestring.training.ranks import Ranks
from shoestring.training.states import States


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A checkpoint that can't be used, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A checkpoint that may be loaded. ``manifest_sha256`` is None where no journal pins it."""

    id: str
    folder: Folder
    manifest_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A verified checkpoint in memory, not yet given to the user's objects."""

    manifest: Manifest
    state: dict[str, Any]
    tensors: tree.Tensors
    own_rng: bool


def candidates(root: Folder | None, pinned: Sequence[Pinned] | None, ranks: Ranks) -> list[Candidate]:
    """What may be restored, newest first.

    The journal, not the bucket, says which checkpoint is ours: where it speaks, only its list counts. Without
    one, every complete checkpoint in ``root`` does.
    """
    if pinned is not None:
        return [
            Candidate(id=one.id, folder=Folder.at(one.uri), manifest_sha256=one.manifest_sha256)
            for one in pinned
        ]
    if root is None:
        return []
    return [
        Candidate(id=name, folder=root.child(name), manifest_sha256=None)
        for name in ranks.of_first(checkpoints.complete(root) if ranks.first else [])
    ]


def newest_whole(found: Sequence[Candidate], states: States, ranks: Ranks) -> Iterator[Rejected | Loaded]:
    """Try one after the other until one loads; yields each rejected one, then the loaded one.

    Raises:
        CheckpointCorrupt: there were checkpoints, and none of them is whole.
        BadInput: a newer format or an encrypted one: an upgrade helps, an older checkpoint would lose work.
    """
    rejected: list[Rejected] = []
    for candidate in found:
        loaded, reason = None, ""
        try:
            loaded = _load(candidate, states, ranks)
        except CheckpointCorrupt as error:
            reason = str(error)
        reasons = [other for other in ranks.all(reason) if other]
        if loaded is not None and not reasons:
            yield loaded
            return
        rejected.append(Rejected(id=candidate.id, reason=reasons[0]))
        yield rejected[-1]
    if rejected:
        raise CheckpointCorrupt(
            f"none of {len(rejected)} checkpoints can be restored; newest: {rejected[0].reason}",
            next_step="bring the files back, or begin a new run: this one never starts over by itself",
        )


def _load(candidate: Candidate, states: States, ranks: Ranks) -> Loaded:
    folder = candidate.folder
    made, _ = manifest.read(folder, pinned_sha256=candidate.manifest_sha256)
    corrupt = ""
    try:
        manifest.verify(folder, made, part=ranks.rank, parts=ranks.size)
    except CheckpointCorrupt as error:
        corrupt = str(error)
    # All ranks must know before any of them enters the collective load.
    if reasons := [reason for reason in ranks.all(corrupt) if reason]:
        raise CheckpointCorrupt(reasons[0])
    state, own = dcp.read_state(folder, rank=ranks.rank, files=made.files)
    names = sorted(tree.tensor_names(state["objects"]))
    tensors = dcp.read_tensors(
        folder, states.sharded(names), names=names, files=made.files, group=ranks.save_group
    )
    return Loaded(manifest=made, state=state, tensors=tensors, own_rng=own)
