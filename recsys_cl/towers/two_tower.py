"""Two towers over shared embedding tables: users and items as vectors whose inner product is the score."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from recsys_cl.errors import ConfigError, InputError, IntegrityError
from recsys_cl.families import member, members
from recsys_cl.files import digest_of, read_json, write_json
from recsys_cl.pairs.histories import Queries
from recsys_cl.pairs.ragged import offsets_of, positions
from recsys_cl.towers.inputs import CandidateInputs, QueryInputs
from recsys_cl.towers.spec import Reading, TowerSpec

QUERY_ENCODERS = "recsys_cl.towers.query_encoders"
CANDIDATE_ENCODERS = "recsys_cl.towers.candidate_encoders"
SIMILARITIES = "recsys_cl.towers.similarities"


def require_comparable(query_encoder: str, candidate_encoder: str, similarity: str) -> None:
    """Raise `ConfigError` where a similarity of Gaussians is given points to compare, or one of points Gaussians."""
    wanted = member(SIMILARITIES, similarity).GAUSSIAN
    for family, name in ((QUERY_ENCODERS, query_encoder), (CANDIDATE_ENCODERS, candidate_encoder)):
        if member(family, name).Encoder.gaussian != wanted:
            gives, compares = ("no variance", "Gaussians") if wanted else ("means and variances", "points")
            able = ", ".join(one for one in members(family) if member(family, one).Encoder.gaussian == wanted)
            raise ConfigError(
                f"The similarity {similarity!r} compares {compares}, but the encoder {name!r} gives {gives}. Name "
                f"another of the {family.rpartition('.')[2]} ({able}), or another --similarity."
            )


class TwoTower:
    """The embedding tables and the two encoders that read them.

    The tables are plain tensors: a training step takes a gradient of the rows it uses, never of a whole table.

    Attributes:
        spec: what they are made of.
        tables: "user" (n_users, d), "context" (n_items, d), an item as part of a history, and "item" (n_items, d), an
            item as a candidate, "bias" (n_items, 1), what an item scores with every query; float32, on one device.
            The first two have no rows where the query encoder does not read them, the last none where there is no
            `TowerSpec.item_bias`.
        prior: (n_items,) float32 that is added to an item's score for every query; nought unless `set_prior` set it.
        features: (n_items, f) uint8, what an item is, besides being itself; no columns where its encoder does not ask.
        query: the user tower.
        candidate: the item tower.
        similarity: member of `similarities`, by which what they give is compared.
    """

    def __init__(self, spec: TowerSpec, device: torch.device | str = "cpu") -> None:
        self.spec = spec
        encoder = member(QUERY_ENCODERS, spec.query_encoder).Encoder
        rows = {"user": spec.n_users, "context": spec.n_items, "item": spec.n_items}
        self.tables = {
            name: torch.zeros(count if name in encoder.reads | {"item"} else 0, spec.embedding_dim, device=device)
            for name, count in rows.items()
        }
        self.tables["bias"] = torch.zeros(spec.n_items if spec.item_bias else 0, 1, device=device)
        self.prior = torch.zeros(spec.n_items, device=device)
        self.features = torch.zeros(spec.n_items, spec.n_features, dtype=torch.uint8, device=device)
        self.query: nn.Module = encoder(spec).to(device)
        candidate = member(CANDIDATE_ENCODERS, spec.candidate_encoder).Encoder
        self.candidate: nn.Module = candidate(spec).to(device)
        self.similarity = member(SIMILARITIES, spec.similarity)
        require_comparable(spec.query_encoder, spec.candidate_encoder, spec.similarity)

    @property
    def compared_dim(self) -> int:
        """Length D of the vectors whose inner products are similarities."""
        return int(self.similarity.dim(self.spec.embedding_dim))

    @property
    def point_dim(self) -> int:
        """How many leading coordinates of a vector are where it points, the others being what comparing it adds."""
        return int(self.similarity.point_dim(self.spec.embedding_dim))

    @property
    def history_table(self) -> str:
        """The table that histories are read in."""
        return "context" if len(self.tables["context"]) else "item"

    @property
    def readings(self) -> tuple[Reading, ...]:
        """In which columns histories are read; one reading of all where the query encoder does not tell."""
        whole = Reading(embedding_dim=self.spec.embedding_dim, age_exponents=(0.0,))
        return getattr(self.query, "readings", (whole,))

    @property
    def device(self) -> torch.device:
        """Where the tables live."""
        return self.tables["item"].device

    def encode_queries(self, inputs: QueryInputs) -> torch.Tensor:
        """Return (b, D), mapped so that inner products with candidates are similarities."""
        mapped: torch.Tensor = self.similarity.queries(self.query(inputs))
        return mapped

    def encode_candidates(self, inputs: CandidateInputs) -> torch.Tensor:
        """Return (n, D), mapped so that inner products with queries are similarities."""
        mapped: torch.Tensor = self.similarity.candidates(self.candidate(inputs))
        return mapped

    @torch.inference_mode()
    def query_vectors(self, queries: Queries, *, block: int = 8192) -> npt.NDArray[np.float32]:
        """Return a vector for each query, (q, D) float32, ``block`` queries at a time.

        Where items have a prior or a bias there is one coordinate more, (q, D + 1), which is 1 for every query.

        Raises:
            InputError: a user or the catalogue is not the one the towers were made for.
        """
        self._check(queries)
        vectors = np.empty((len(queries), self.compared_dim), dtype=np.float32)
        for start in range(0, len(queries), block):
            inputs = self._query_inputs(queries, start, min(start + block, len(queries)))
            vectors[start : start + block] = self.encode_queries(inputs).float().cpu().numpy()
        return np.hstack([vectors, np.ones((len(vectors), 1), np.float32)]) if self._offsets.any() else vectors

    @torch.inference_mode()
    def item_vectors(self, *, with_offsets: bool = True, block: int = 65_536) -> npt.NDArray[np.float32]:
        """Return a vector for each item of the catalogue, (n_items, D) float32, ``block`` items at a time.

        Their prior and bias, if any, are one coordinate more, (n_items, D + 1), unless ``with_offsets`` is false.
        """
        vectors = np.empty((self.spec.n_items, self.compared_dim), dtype=np.float32)
        for start in range(0, self.spec.n_items, block):
            items = torch.arange(start, min(start + block, self.spec.n_items), device=self.device)
            encoded = self.encode_candidates(CandidateInputs(self.tables["item"], items, self.features_of(items)))
            vectors[start : start + block] = encoded.float().cpu().numpy()
        if not (with_offsets and self._offsets.any()):
            return vectors
        return np.hstack([vectors, self._offsets.float().cpu().numpy()[:, None]])

    def features_of(self, items: torch.Tensor) -> torch.Tensor | None:
        """Return the features of items by number (n,), (n, f) float32; None where the item tower asks for none."""
        return self.features[items].float() if self.spec.n_features else None

    def set_prior(self, prior: npt.NDArray[np.float32]) -> None:
        """Set what is added to the score of each item, (n_items,) float32, for every query alike."""
        self.prior.copy_(torch.from_numpy(prior))

    def state(self) -> dict[str, torch.Tensor]:
        """Return every weight by name, sharing memory with the towers."""
        encoders = {"query": self.query, "candidate": self.candidate}
        weights = {f"{name}_table": table for name, table in self.tables.items()} | {"item_prior": self.prior}
        if self.spec.n_features:
            weights["item_features"] = self.features
        for prefix, encoder in encoders.items():
            weights |= {f"{prefix}.{name}": tensor.detach() for name, tensor in encoder.state_dict().items()}
        return weights

    def set_state(self, state: dict[str, torch.Tensor]) -> None:
        """Copy weights, as `state` gives them, into the towers."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    @classmethod
    def joined(cls, parts: Sequence[TwoTower], weights: Sequence[float]) -> Self:
        """Return towers whose scores are the weighted sum of the scores of ``parts``, without their priors.

        Args:
            parts: of one log, each with the query encoder "aged_history" and a similarity that can be joined.
            weights: one a part.
        """
        changes = {
            "embedding_dim": sum(part.spec.embedding_dim for part in parts),
            "similarity": "dot",
            "item_bias": any(part.spec.item_bias for part in parts),
            "readings": tuple(reading for part in parts for reading in part.spec.readings),
        }
        joined = cls(parts[0].spec.model_copy(update=changes), parts[0].device)
        dims = [part.spec.embedding_dim for part in parts]
        columns = zip(*(torch.split(joined.tables[name], dims, dim=1) for name in ("item", "context")), strict=True)
        for part, weight, (items, contexts) in zip(parts, weights, columns, strict=True):
            items.copy_(torch.from_numpy(part.item_vectors(with_offsets=False))).mul_(weight / part._query_length)
            contexts.copy_(part.tables["context"])
            if part.spec.item_bias:
                joined.tables["bias"].add_(part.tables["bias"], alpha=weight)
        return joined

    @property
    def digest(self) -> str:
        """SHA-256 of what they are made of and every weight (64 hex digits)."""
        weights = self.state().items()
        sums = {name: hashlib.sha256(tensor.cpu().numpy().tobytes()).hexdigest() for name, tensor in weights}
        return digest_of([self.spec.model_dump(), sums])

    def save(self, folder: Path) -> None:
        """Write ``towers.safetensors`` and ``towers.json`` into an existing folder."""
        write_json(folder / "towers.json", self.spec.model_dump())
        save_file({name: tensor.cpu().contiguous() for name, tensor in self.state().items()}, folder / _WEIGHTS)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> Self:
        """Read what `save` wrote.

        Raises:
            IntegrityError: a file is missing or damaged, or the two do not belong together.
        """
        towers = cls(TowerSpec.of(read_json(folder / "towers.json")), device)
        towers.set_state(_weights(folder / _WEIGHTS, towers.state()))
        return towers

    @property
    def _query_length(self) -> float:
        """By what the similarity divides the readings of a history, each of length one, side by side."""
        return float(self.similarity.query_divisor(len(self.spec.readings)))

    @property
    def _offsets(self) -> torch.Tensor:
        """What is added to the score of each item, (n_items,)."""
        return self.prior + self.tables["bias"][:, 0] if self.spec.item_bias else self.prior

    def _query_inputs(self, queries: Queries, start: int, stop: int) -> QueryInputs:
        histories = queries.histories
        lengths = np.minimum(histories.lengths[start:stop], self.spec.history_length)
        history = histories.item_nums[positions(histories.indptr[start + 1 : stop + 1] - lengths, lengths)]
        return QueryInputs(
            self.tables["user"],
            torch.from_numpy(queries.user_nums[start:stop].astype(np.int64)).to(self.device),
            self.tables[self.history_table],
            torch.from_numpy(history.astype(np.int64)).to(self.device),
            torch.from_numpy(offsets_of(lengths)).to(self.device),
        )

    def _check(self, queries: Queries) -> None:
        if queries.histories.n_items != self.spec.n_items:
            raise InputError(
                f"The histories speak of a catalogue of {queries.histories.n_items} items, the towers of one of "
                f"{self.spec.n_items}; use the vocabulary that was saved with the towers."
            )
        if len(queries) and queries.user_nums.max() >= self.spec.n_users:
            raise InputError(
                f"User number {queries.user_nums.max()} is beyond the {self.spec.n_users} users the towers know; "
                "give -1 for a user the vocabulary lacks."
            )


_WEIGHTS = "towers.safetensors"


def _weights(path: Path, expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    try:
        found = load_file(path)
    except (FileNotFoundError, SafetensorError) as error:
        raise IntegrityError(f"{path} cannot be read ({error}); it was removed or damaged.") from error
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    wanted = {name: tuple(tensor.shape) for name, tensor in expected.items()}
    if shapes != wanted:
        raise IntegrityError(f"{path} holds {shapes}, but towers.json beside it asks for {wanted}.")
    return found
