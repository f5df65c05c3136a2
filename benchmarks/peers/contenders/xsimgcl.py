"""XSimGCL (Yu et al., 2023): LightGCN whose layers are shaken by noise and contrasted, written here over RecBole's."""

from __future__ import annotations

from typing import Any

import torch
from recbole.model.general_recommender import LightGCN
from torch import Tensor
from torch.nn import functional

from benchmarks.peers.contenders import by_recbole
from benchmarks.peers.exchange import Fitted, Log


class XSimGCL(LightGCN):
    """Ranks pairs as LightGCN does, and tells each node's first layer from other nodes' last mean (InfoNCE)."""

    def __init__(self, config: Any, dataset: Any) -> None:  # noqa: ANN401 - the library's own
        super().__init__(config, dataset)
        self.noise, self.weight, self.temperature = config["noise"], config["ssl_weight"], config["ssl_tau"]

    def forward(self) -> tuple[Tensor, ...]:
        """Return users, items, and the first layer of each, all (n, d); with noise only while training."""
        layer = self.get_ego_embeddings()
        layers = []
        for _ in range(self.n_layers):
            layer = torch.sparse.mm(self.norm_adj_matrix, layer)
            if self.training:
                shake = functional.normalize(torch.rand_like(layer), dim=1)
                layer = layer + torch.sign(layer) * shake * self.noise
            layers.append(layer)
        sizes = [self.n_users, self.n_items]
        return *torch.split(torch.stack(layers).mean(dim=0), sizes), *torch.split(layers[0], sizes)

    def calculate_loss(self, interaction: Any) -> Tensor:  # noqa: ANN401 - the library's own
        """Return the pairwise loss, the decay and the contrast of a batch, summed."""
        user, positive, negative = (interaction[name] for name in (self.USER_ID, self.ITEM_ID, self.NEG_ITEM_ID))
        users, items, first_users, first_items = self.forward()
        margins = (users[user] * (items[positive] - items[negative])).sum(dim=1)
        ranking = -functional.logsigmoid(margins).mean()
        rows = self.user_embedding(user), self.item_embedding(positive), self.item_embedding(negative)
        decay = self.reg_weight * sum(row.square().sum() for row in rows) / len(user) / 2
        contrast = self._contrast(users, first_users, user) + self._contrast(items, first_items, positive)
        return ranking + decay + self.weight * contrast

    def _contrast(self, last: Tensor, first: Tensor, nodes: Tensor) -> Tensor:
        nodes = nodes.unique()
        one, other = functional.normalize(last[nodes], dim=1), functional.normalize(first[nodes], dim=1)
        return functional.cross_entropy(one @ other.T / self.temperature, torch.arange(len(nodes)))


def fit(log: Log, **settings: Any) -> Fitted:
    """Train; ``settings`` are those of `by_recbole`, with ``noise``, ``ssl_weight`` and ``ssl_tau``."""
    return by_recbole.fit(log, model=XSimGCL, **settings)
