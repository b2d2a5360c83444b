"""One number for all weights: equal digests mean bit-identical weights.

python -m shoestring.training.digest weights.pt checkpoints/step-000100-a1-0f3c2d
"""

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.training import dcp, manifest
from shoestring.training.place import Folder


def weights_sha256(
    weights: Mapping[str, torch.Tensor] | str | os.PathLike[str], *, within: str = "model"
) -> str:
    """sha256 over the raw bytes of the named tensors, in the order of their names.

    Args:
        weights: a state_dict, a file written by ``torch.save(state_dict)``, or a checkpoint's folder or URI.
        within: of a checkpoint, the object whose tensors count.

    Raises:
        BadInput: there are no tensors. CheckpointCorrupt: the checkpoint is not whole.
    """
    tensors = weights if isinstance(weights, Mapping) else read_weights(os.fspath(weights), within)
    if not tensors:
        raise BadInput(f"no tensors to digest in {weights!r}")
    digest = hashlib.sha256()
    for name in sorted(tensors):
        flat = tensors[name].detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy())
    return digest.hexdigest()


def read_weights(where: str, within: str = "model") -> dict[str, torch.Tensor]:
    """The named tensors of a file or a checkpoint, after its hashes have been checked. As weights_sha256."""
    if "://" not in where and Path(where).is_file():
        loaded: Any = torch.load(where, map_location="cpu", weights_only=True)
        return {name: value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
    folder = Folder.at(where)
    made, _ = manifest.read(folder)
    manifest.verify(folder, made)
    index = dcp.index_of(folder, made.files)
    start = f"{within}/"
    names = [name for name in index.state_dict_metadata if name.startswith(start)]
    tensors = dcp.read_tensors(folder, {}, names=names, files=made.files, group=None)
    return {name.removeprefix(start): tensor for name, tensor in tensors.items()}


def main(arguments: list[str]) -> int:
    """Print a line per argument, as sha256sum does."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    for where in arguments:
        try:
            print(f"{weights_sha256(where)}  {where}")
        except ShoestringError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
