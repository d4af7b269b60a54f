"""Proxies: a point for each identity, learned beside the network, with which its embeddings are compared in place of each other.

Legend: B batch, P identities, E numbers of an embedding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.objectives import Mean

KINDS = ("proxy_anchor", "proxy_nca")
_BEGIN = 0.02  # deviation of a proxy's first numbers: small, so that a step turns it far (Kim 2020 gives proxies 100 times the rate)
_SCALE, _MARGIN = 32.0, 0.1  # of proxy_anchor, the paper's


def furnish(model: nn.Module, identities: int, size: int) -> None:
    """Gives a network its proxies [P, E], drawn from the global generator."""
    model.register_parameter("proxies", nn.Parameter(_BEGIN * torch.randn(identities, size)))


def proxy_loss(kind: str, embeddings: Tensor, proxies: Tensor, places: Tensor, temperature: float = 0.1) -> Mean:
    """What draws embeddings to their proxies: z [B, E] of length 1, proxies [P, E] of any length, places int64 [B] -> total and count B.

    With s the cosine: proxy_anchor, over all proxies p, the mean over those that are in the batch of log(1 + sum over their own z of
    exp(-32 (s - 0.1))), and the mean over all of log(1 + sum over the others' z of exp(32 (s + 0.1))) (Kim 2020); proxy_nca:
    -log softmax over proxies of s / temperature at the own one (Movshovitz-Attias 2017, with the softmax of Teh 2020).
    """
    near = embeddings @ functional.normalize(proxies, dim=1).to(embeddings.dtype).T  # [B, P]
    count = torch.tensor(float(len(embeddings)))
    if kind == "proxy_nca":
        return Mean(functional.cross_entropy(near / temperature, places, reduction="sum"), count)
    own = functional.one_hot(places, len(proxies)).bool()
    drawn, pushed = (
        functional.softplus((_SCALE * values).masked_fill(~which, -torch.inf).logsumexp(0))
        for values, which in ((_MARGIN - near, own), (near + _MARGIN, ~own))
    )
    here = own.any(0)
    return Mean((drawn[here].mean() + pushed[(~own).any(0)].sum() / len(proxies)) * count, count)
