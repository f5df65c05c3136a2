"""Towers in closed form: the exact minimiser of the spectral contrastive loss.

For linear towers the loss, -2 E[f(u).g(i)] over interactions + E[(f(u).g(i))^2] over independent users and items,
is least where Du^1/2 f(u).g(i) Di^1/2 is, but for a constant, the truncated singular value decomposition U S V' of R =
Du^-1/2 M Di^-1/2 (HaoChen et al. 2021, arXiv 2106.04156), M being the interactions and Du, Di its sums. A user is then
R's row times V, so no user needs a vector of their own. In general form, the exponents being chosen on validation:

- with positives of users and items M is age^-`pair_age_exponent`, age 1 being the newest interaction of a user, and
  R = Du^-`user_exponent` M Di^-`item_exponent`; with positives of items and items M is the weights of neighbours in
  ordered histories (`pairs.neighbours`), and R = Di^-`item_exponent` M Di^-`item_exponent`;
- an item as a candidate is Di^`item_exponent` V, as part of a history Di^-`item_exponent` V S^`spectral_power`, with
  U in place of V where items and items belong together;
- a user is the direction of the sum over the history of age^-exponent times the latter, or the mean of the
  directions for several `spectral_age_exponents`.

Candidates are scaled to length one on average, which makes scores comparable from log to log. Columns of V are
sorted by their singular values, so the first m coordinates are the best towers of m dimensions.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from recsys_cl.config import SpectralConfig
from recsys_cl.contrast.closed_form.solver import Spectrum, left_vectors, solve
from recsys_cl.pairs.histories import Histories
from recsys_cl.progress import SILENT, Reporter
from recsys_cl.towers.spec import TowerSpec, shared_out
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.device import device_of
from recsys_cl.training.spectral_matrix import normalised, power


@dataclass(frozen=True)
class ClosedForm:
    """A solved log, from which towers of any fewer dimensions are made at once.

    Attributes:
        spectrum: V and S.
        history_vectors: (n_items, d) float32, what stands for an item in a history: V for positives of users and
            items, U for those of items and items, whose eigenvalues may be negative.
        item_sums: (n_items,) float32, Di, sums of the columns of M.
        n_users: users of the log.
        ordered: whether the order of histories means something; if not, they are sets.
    """

    spectrum: Spectrum
    history_vectors: npt.NDArray[np.float32]
    item_sums: npt.NDArray[np.float32]
    n_users: int
    ordered: bool

    def towers(self, config: SpectralConfig, *, dim: int, history_length: int, device: str = "cpu") -> TwoTower:
        """Return the towers of the first ``dim`` coordinates; those beyond the rank of the log are zero.

        Args:
            config: the exponents, those of R as they were when it was solved.
            dim: length of a vector.
            history_length: the most recent items of a history that are used in a user vector.
            device: "auto", "cpu" or "cuda".
        """
        where = device_of(device)
        spec = TowerSpec(
            n_users=self.n_users,
            n_items=len(self.item_sums),
            embedding_dim=dim,
            query_encoder="aged_history",
            candidate_encoder="item_id",
            similarity="dot",
            history_length=history_length,
            readings=shared_out(dim, (config.spectral_age_exponents if self.ordered else (0.0,),)),
        )
        towers, values = TwoTower(spec, where), torch.from_numpy(self.spectrum.values[:dim]).to(where)
        candidates, contexts = (towers.tables[name][:, : len(values)] for name in ("item", "context"))
        candidates.copy_(torch.from_numpy(self.spectrum.vectors[:, :dim]))
        candidates.mul_(self._to_a_power(config.item_exponent).to(where))
        candidates.div_(candidates.norm(dim=1)[torch.from_numpy(self.item_sums > 0).to(where)].mean())
        contexts.copy_(torch.from_numpy(self.history_vectors[:, :dim]))
        contexts.mul_(self._to_a_power(-config.item_exponent).to(where))
        contexts.mul_((values / values[0]) ** config.spectral_power)
        return towers

    def _to_a_power(self, exponent: float) -> torch.Tensor:
        return torch.from_numpy(power(self.item_sums, exponent)).unsqueeze(1)


@dataclass
class Solver:
    """Solves one log, and remembers the last two solutions, so that asking for one of them again costs nothing.

    Attributes:
        histories: what to learn from. Repeats add up.
        ordered: whether the order of histories means something; if not, they are sets.
        seed: of the solver.
        device: "auto", "cpu" or "cuda".
        reporter: shows the progress.
    """

    histories: Histories
    ordered: bool
    seed: int
    device: str = "cpu"
    reporter: Reporter = SILENT

    def __post_init__(self) -> None:
        self._last = deque[tuple[SpectralConfig, int, ClosedForm]](maxlen=2)

    def solve(self, config: SpectralConfig, dim: int, checkpoint: Path | None = None) -> ClosedForm:
        """Return the ``dim`` leading coordinates; errors and arguments are those of `solve_log`."""
        unsolved = {"spectral_power": 0.0, "spectral_age_exponents": (0.0,)}  # these take no solution of their own
        asked = config.model_copy(update=unsolved)
        for config_of, dim_of, solved in self._last:
            if (config_of, dim_of) == (asked, dim):
                return solved
        solved = solve_log(
            self.histories,
            config,
            dim=dim,
            ordered=self.ordered,
            seed=self.seed,
            device=self.device,
            checkpoint=checkpoint,
            reporter=self.reporter,
        )
        self._last.append((asked, dim, solved))
        return solved


def solve_log(  # noqa: PLR0913 - one argument for each thing the caller decides
    histories: Histories,
    config: SpectralConfig,
    *,
    dim: int,
    ordered: bool,
    seed: int,
    device: str = "cpu",
    checkpoint: Path | None = None,
    reporter: Reporter = SILENT,
) -> ClosedForm:
    """Solve for the ``dim`` leading coordinates of a log.

    Args:
        histories: what to learn from. Repeats add up.
        config: the exponents of R, and how exactly to solve.
        dim: how many coordinates; there are fewer where the rank of the log is less.
        ordered: whether the order of histories means something; if not, they are sets.
        seed: of the solver.
        device: "auto", "cpu" or "cuda".
        checkpoint: folder from which a solution that was broken off goes on.
        reporter: shows the progress.

    Raises:
        InputError: there is no interaction, or neighbours are sought where there is no order.
        IntegrityError: the checkpoint is damaged.
    """
    matrix, item_sums = normalised(histories, config, ordered=ordered)
    found = solve(
        matrix,
        dim,
        tolerance=config.tolerated_error,
        max_rounds=config.most_rounds,
        seed=seed,
        device=device_of(device),
        checkpoint=checkpoint,
        reporter=reporter,
    )
    of_users = config.spectral_positives == "user_item"
    history_vectors = found.vectors if of_users else left_vectors(found, matrix, device_of(device))
    return ClosedForm(found, history_vectors, item_sums, len(histories), ordered)
