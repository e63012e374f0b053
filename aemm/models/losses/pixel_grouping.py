"""The grouping loss of masks: sampled pixels of one instance pulled together, those of two pushed apart.

Letters: B batch, N instances, P pixels per instance, T tag channels, L tag dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aemm.ops.tags import gather_tags
from aemm.registry import MODELS


@MODELS.register_module()
class PixelGroupingLoss(nn.Module):
    """Pull and push over all pairs of sampled pixels, without a loop, the mean over the batch.

    Of each image, with d the distance of two tags:

    - ``normalize=False`` (eq. 2): pull is the sum of d² over instances n and their pixels x, x'; push the
      sum of exp(-d² / 2σ²) over n != n' and their pixels.
    - ``normalize=True``: pull is the mean over n of the mean over x, x'; push the mean over n != n' of the
      mean over their pixels, 0 without pairs.

    Only instances whose tags lie in the same tag map are pushed apart: those of one class where every
    class has its own, all where there is one map. Instances without a pixel do not count, and an image
    without instances gives zeros that stay in the graph. Everything is computed in fp32, also under
    autocast.

    Args:
        normalize: means in place of sums, so that neither the number of instances nor P changes the weight.
        pull_weight: factor on the pull.
        push_weight: factor on the push.
        sigma: σ of the push.

    Raises:
        ValueError: ``sigma`` is not positive.

    Reference: Newell et al. 2017, equation 2.
    """

    def __init__(
        self, normalize: bool = True, pull_weight: float = 1.0, push_weight: float = 1.0, sigma: float = 1.0
    ) -> None:
        super().__init__()
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma}; it is a distance between tags")
        self.normalize, self.sigma = normalize, sigma
        self.pull_weight, self.push_weight = pull_weight, push_weight

    def forward(self, tags: Tensor, tag_index: Tensor) -> dict[str, Tensor]:
        """Weighted ``loss_pull`` and ``loss_push``.

        Args:
            tags: ``(B, T, L, h, w)``.
            tag_index: ``(B, N, P) int64`` flat into ``(T, h, w)``, -1 = absent; the first pixel of an
                instance is never absent unless all are, and all lie in one tag map.

        Returns:
            Scalars, the mean over the B images.
        """
        with torch.autocast(tags.device.type, enabled=False):
            found, present = gather_tags(tags, tag_index)  # (B, N, P, L)
            plane = tag_index.amax(2).div(tags.shape[3] * tags.shape[4], rounding_mode="floor")  # (B, N)
            pull, push = self._pull(found, present), self._push(found, present, plane)
        return {"loss_pull": pull.mean() * self.pull_weight, "loss_push": push.mean() * self.push_weight}

    def _pull(self, found: Tensor, present: Tensor) -> Tensor:
        """Pull ``(B,)``: over all pairs of S pixels, squared distances sum to 2 S times those to the mean."""
        count = present.sum(2)
        some = count.clamp(min=1)
        mean = found.sum(2) / some[..., None]
        away = ((found - mean[:, :, None]) * present[..., None]).square().sum((2, 3))  # (B, N)
        if not self.normalize:
            return (2 * count * away).sum(1)
        return (2 * away / some).sum(1) / (count > 0).sum(1).clamp(min=1)

    def _push(self, found: Tensor, present: Tensor, plane: Tensor) -> Tensor:
        """Push ``(B,)`` between instances of equal ``plane`` ``(B, N)``; only such pairs are compared."""
        batch, _, _, dims = found.shape
        valid = present.any(2)
        pairs = (plane[:, :, None] == plane[:, None]) & valid[:, :, None] & valid[:, None]  # (B, N, N)
        image, one, other = torch.nonzero(pairs.triu(1), as_tuple=True)  # each pair once: the sum is symmetric
        weight = present / present.sum(2, keepdim=True).clamp(min=1) if self.normalize else present.to(found.dtype)
        a, b = found[image, one], found[image, other]  # (pairs, P, L)
        apart = found.new_zeros(len(image), a.shape[1], b.shape[1])
        for dim in range(dims):  # adding up keeps it at (pairs, P, P)
            apart = apart + (a[:, :, None, dim] - b[:, None, :, dim]).square()
        near = torch.exp(-apart / (2 * self.sigma**2))
        each = torch.einsum("npq,np,nq->n", near, weight[image, one], weight[image, other])
        push = found.new_zeros(batch).index_add(0, image, 2 * each)
        if not self.normalize:
            return push
        count = torch.zeros(batch, device=found.device).index_add(0, image, torch.full_like(each, 2.0))
        return push / count.clamp(min=1)
