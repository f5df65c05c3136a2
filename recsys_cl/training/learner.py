"""Everything a training step changes: towers, objective and the optimisers of both."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from recsys_cl.config import TrainConfig
from recsys_cl.contrast import cores
from recsys_cl.contrast.context import Context
from recsys_cl.contrast.mixture import Mixture
from recsys_cl.contrast.step import Numbers, Step
from recsys_cl.errors import ConfigError
from recsys_cl.pairs.batches import Batch
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.towers.spec import TowerSpec
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.row_optimizer import RowAdam


class Learner:
    """Towers that learn.

    Attributes:
        towers: the model.
        objective: what is lowered; may have weights of its own, such as a learned temperature.
        rows: optimiser of the embedding tables.
        dense: optimiser of all other weights.
        steps: taken so far, () int64.
    """

    def __init__(self, pairs: PairSet, spec: TowerSpec, config: TrainConfig, seed: int, device: torch.device) -> None:
        self.config = config
        self.seed = seed
        self.towers = TwoTower(spec, device)
        if spec.n_features and pairs.categories is not None:
            self.towers.features.copy_(torch.from_numpy(np.array(pairs.categories)))
        _start_tables(self.towers, pairs, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.objective = Mixture(Context(config, self.towers, pairs.histories, pairs.categories)).to(device)
        self.rows = RowAdam(self.towers.tables, config.weight_decay)
        self.steps = torch.zeros((), dtype=torch.int64)
        self._weights = [
            weight
            for module in (self.towers.query, self.towers.candidate, self.objective)
            for weight in module.parameters()
            if weight.requires_grad
        ]
        self.dense = torch.optim.Adam(self._weights) if self._weights else None

    def step(self, batch: Batch, learning_rate: float) -> float:
        """Learn from one batch; return its loss in nats. A loss or gradient that is not finite changes nothing.

        Returns:
            The loss; NaN or infinite where it, or its gradient, is.
        """
        device = self.towers.device
        numbers = Numbers(**{field.name: _to(getattr(batch, field.name), device) for field in fields(Numbers)})
        used = {"user": numbers.users, "context": numbers.history_items, "item": numbers.items, "bias": numbers.items}
        used = {name: rows for name, rows in used.items() if len(self.towers.tables[name])}
        taken = cores.each(lambda name: self.rows.current(name, used[name], learning_rate), used)
        held = dict(zip(used, taken, strict=True))
        rows = {name: one.values.requires_grad_() for name, one in held.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            step = self._step(batch, numbers, rows)
            loss = self.objective(step)
        self._zero_gradients()
        loss.backward()
        gradients = {name: leaf.grad for name, leaf in rows.items() if leaf.grad is not None}
        if not math.isfinite(size := _size(loss, [*gradients.values(), *(weight.grad for weight in self._weights)])):
            return size
        cores.each(lambda name: self.rows.step(name, held[name], gradients[name], learning_rate), gradients)
        self._step_dense(learning_rate)
        self.objective.observe(step)
        self.steps += 1
        return float(loss.detach())

    def start_from(self, start: TwoTower) -> None:
        """Go on from towers of the same make, or take over the directions of the tables of others.

        Of histories, the lengths relative to each other are taken over as well.

        Candidates take length one, histories one on average: lengths at which the learning rate is right. Each reading
        of histories starts from the first columns of ``start``; columns beyond all readings stay as they are.

        Raises:
            ConfigError: histories are read in another table than those of ``start``.
        """
        if start.spec == self.towers.spec:  # an earlier training of the very same towers
            self.towers.set_state(start.state())
            return
        if start.history_table != self.towers.history_table:
            raise ConfigError(
                f"Towers that read histories in the table {start.history_table!r} cannot start the query encoder "
                f"{self.towers.spec.query_encoder!r}, which reads them in {self.towers.history_table!r}."
            )
        columns = [one.embedding_dim for one in self.towers.readings]
        items, contexts = (
            torch.hstack([start.tables[name][:, :count] for count in columns]) for name in ("item", start.history_table)
        )
        lengths, taken = contexts.norm(dim=1), slice(sum(columns))
        self.towers.tables["item"][:, taken] = functional.normalize(items)
        self.towers.tables[self.towers.history_table][:, taken] = contexts / lengths[lengths > 0].mean()

    def served(self) -> TwoTower:
        """Return the towers as they would serve; their tables must be up to date."""
        served: TwoTower = self.objective.served(self.towers)
        return served

    def settle(self, learning_rate: float) -> None:
        """Bring the tables up to date, before they are read as a whole."""
        self.rows.catch_up(learning_rate)

    def state(self) -> dict[str, torch.Tensor]:
        """Return every tensor that, with the towers' own, is needed to go on; sharing memory."""
        held = {f"rows.{name}": tensor for name, tensor in self.rows.state().items()}
        held |= {f"objective.{name}": tensor for name, tensor in self.objective.state_dict().items()}
        return held | {"steps": self.steps} | self._dense_state()

    def set_state(self, state: dict[str, torch.Tensor]) -> None:
        """Copy what `state` gave back in."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    def _step(self, batch: Batch, numbers: Numbers, rows: dict[str, torch.Tensor]) -> Step:
        config, taken = self.config, int(self.steps)
        return Step(
            self.towers,
            rows,
            numbers,
            number=taken,
            seed=((self.seed << 32) + (batch.epoch << 20) + batch.step) % (1 << 63),
            temperature=self.objective.tempering(numbers.query_users),
            log_q_exponent=config.log_q_exponent,
            hardest=config.hardest_negatives if taken >= config.hardest_after else 0,
        )

    def _zero_gradients(self) -> None:
        for weight in self._weights:
            weight.grad = torch.zeros_like(weight)

    def _step_dense(self, learning_rate: float) -> None:
        if self.dense is not None:
            for group in self.dense.param_groups:
                group["lr"] = learning_rate
            self.dense.step()

    def _dense_state(self) -> dict[str, torch.Tensor]:
        """Return Adam's moments and step counts, made before the first step so that a checkpoint can fill them."""
        held: dict[str, torch.Tensor] = {}
        for number, weight in enumerate(self._weights):
            state = self.dense.state[weight] if self.dense is not None else {}
            if not state:
                state["step"] = torch.tensor(0.0)
                state["exp_avg"] = torch.zeros_like(weight)
                state["exp_avg_sq"] = torch.zeros_like(weight)
            held |= {f"dense.{number}.{name}": tensor for name, tensor in state.items()}
        return held


# Standard deviation of the first weights. Users start near nought, so that at first their history speaks for them.
_START = {"user": 0.01, "context": 0.1, "item": 0.1, "bias": 0.0}
_STREAMS = {"user": 0, "item": 1, "context": 2, "bias": 3}


def _start_tables(towers: TwoTower, pairs: PairSet, seed: int) -> None:
    """Draw the tables; users and items of no pair start, and stay, at zero."""
    taken = np.isfinite(pairs.log_q)
    trained = {"user": pairs.histories.lengths > 0, "context": taken, "item": taken, "bias": taken}
    for name, table in towers.tables.items():
        generator = torch.Generator().manual_seed(seed * len(_STREAMS) + _STREAMS[name])
        drawn = torch.randn(table.shape, generator=generator) * _START[name]
        if len(table):
            known = torch.zeros(len(table), dtype=torch.bool)
            known[: len(trained[name])] = torch.from_numpy(trained[name])
            drawn *= known.unsqueeze(1)
        table.copy_(drawn)


def _to(array: npt.NDArray[np.generic], device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    return (tensor.long() if tensor.dtype == torch.int32 else tensor).to(device, non_blocking=True)


def _size(loss: torch.Tensor, gradients: Iterable[torch.Tensor | None]) -> float:
    """Return a number that is finite if the loss and every gradient are."""
    total = loss.detach().clone()
    for gradient in gradients:
        total += 0 if gradient is None else gradient.sum()
    return float(total)
