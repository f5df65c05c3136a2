"""What a decomposition that was killed goes on from: the basis after its last whole round."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file

from recsys_cl.errors import IntegrityError
from recsys_cl.files import read_json, sha256, whole_folder, write_json

_LAST = "last"
_SCALARS = ("energy", "rounds", "gain", "error")


@dataclass(frozen=True)
class Basis:
    """Where a decomposition stands.

    Attributes:
        vectors: (n_items, w) float32 orthonormal Ritz vectors.
        squares: (w,) float64 Ritz values, falling: estimates of the squared singular values.
        energy: sum of those that were asked for.
        rounds: filters that were applied.
        gain: share of the energy that the last of them added; 0 before the first.
        error: share of the energy that is thought to be still missing; infinite before the first.
    """

    vectors: torch.Tensor
    squares: npt.NDArray[np.float64]
    energy: float
    rounds: int = 0
    gain: float = 0.0
    error: float = float("inf")


class SpectralCheckpoint:
    """The checkpoint of one decomposition.

    Args:
        folder: where it lies; None keeps none.
        fingerprint: SHA-256 of matrix and arguments; what another decomposition left is not gone on from.
    """

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        self._last = folder / _LAST if folder else None
        self._fingerprint = fingerprint

    def save(self, basis: Basis) -> None:
        """Write where the decomposition stands, in the place of where it stood."""
        if self._last is None:
            return
        with whole_folder(self._last) as scratch:
            tensors = {"vectors": basis.vectors.contiguous(), "squares": torch.from_numpy(basis.squares)}
            save_file(tensors, scratch / "basis.safetensors")
            content = {
                "fingerprint": self._fingerprint,
                "sha256": sha256(scratch / "basis.safetensors"),
                "standing": {name: getattr(basis, name) for name in _SCALARS},
            }
            write_json(scratch / "standing.json", content)

    def restore(self) -> Basis | None:
        """Return where this very decomposition stood; None if it did not begin.

        Raises:
            IntegrityError: a file is missing or damaged.
        """
        if self._last is None or not self._last.exists():
            return None
        content = read_json(self._last / "standing.json")
        if content["fingerprint"] != self._fingerprint:
            return None
        path = self._last / "basis.safetensors"
        if not path.exists() or sha256(path) != content["sha256"]:
            raise IntegrityError(f"{path} is missing or damaged; remove {self._last.parent} to solve from the start.")
        tensors = load_file(path)
        return Basis(tensors["vectors"], tensors["squares"].numpy(), **content["standing"])
