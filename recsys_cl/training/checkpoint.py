"""Checkpoints from which a training that was killed goes on as if nothing had happened.

A folder of checkpoints holds ``last``, all that is needed to go on, and ``best-00007``, the towers after the best
epoch so far. Each appears whole or not at all, and ``last`` names the ``best`` it goes with.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from recsys_cl.errors import IntegrityError
from recsys_cl.files import read_json, sha256, whole_folder, write_json
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.learner import Learner
from recsys_cl.training.standing import Standing

_LAST = "last"


class Checkpoints:
    """The checkpoints of one training.

    Args:
        folder: where they lie; None keeps the best towers in memory, and a killed training is lost.
        fingerprint: SHA-256 of data, settings and seed; a checkpoint of another training is not gone on from.
        every: seconds after which another is due.
    """

    def __init__(self, folder: Path | None, fingerprint: str, every: float) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self.every = every
        self._saved = time.monotonic()
        self._best_state: dict[str, Any] = {}

    @property
    def last(self) -> Path | None:
        """The last checkpoint, if there is one; it may belong to another training."""
        path = self.folder / _LAST if self.folder else None
        return path if path and path.exists() else None

    def is_ours(self) -> bool:
        """Tell whether the last checkpoint belongs to this very training."""
        return self.last is not None and read_json(self.last / "standing.json")["fingerprint"] == self.fingerprint

    @property
    def is_due(self) -> bool:
        """Whether it is long enough since the last time."""
        return time.monotonic() - self._saved > self.every

    def save(self, learner: Learner, standing: Standing) -> None:
        """Write where training stands."""
        if self.folder is None:
            return
        with whole_folder(self.folder / _LAST) as scratch:
            learner.towers.save(scratch)
            state = {name: tensor.cpu().contiguous() for name, tensor in learner.state().items()}
            save_file(state, scratch / "learner.safetensors")
            digests = {path.name: sha256(path) for path in sorted(scratch.iterdir())}
            content = {"fingerprint": self.fingerprint, "files": digests, "standing": standing.model_dump()}
            write_json(scratch / "standing.json", content)
        for path in self.folder.glob("best-*"):
            if path != self._best(standing.best_epoch):
                shutil.rmtree(path)
        self._saved = time.monotonic()

    def restore(self, learner: Learner) -> Standing:
        """Bring the learner to where the last checkpoint left it; return where that is.

        Raises:
            IntegrityError: a file of the checkpoint is missing or damaged.
        """
        if self.last is None:
            raise IntegrityError(f"There is no checkpoint in {self.folder}.")
        content = read_json(self.last / "standing.json")
        for name, digest in content["files"].items():
            path = self.last / name
            if not path.exists() or sha256(path) != digest:
                raise IntegrityError(f"{path} is missing or damaged; remove {self.folder} to train from the start.")
        learner.towers.set_state(TwoTower.load(self.last).state())
        learner.set_state(load_file(self.last / "learner.safetensors"))
        return Standing.of(content["standing"])

    def save_best(self, learner: Learner, epoch: int) -> None:
        """Keep the towers as they would serve after this epoch, the best so far."""
        if self.folder is None:
            self._best_state = {name: tensor.clone() for name, tensor in learner.served().state().items()}
        else:
            with whole_folder(self._best(epoch)) as scratch:
                learner.served().save(scratch)

    def restore_best(self, learner: Learner, epoch: int) -> None:
        """Bring the towers back to what they were after the best epoch.

        Raises:
            IntegrityError: they were removed or damaged.
        """
        if self.folder is None:
            learner.towers.set_state(self._best_state)
            return
        try:
            learner.towers.set_state(TwoTower.load(self._best(epoch)).state())
        except SafetensorError as error:
            raise IntegrityError(f"{self._best(epoch)} is damaged; remove {self.folder} and train anew.") from error

    def _best(self, epoch: int) -> Path:
        return (self.folder or Path()) / f"best-{epoch:05d}"
