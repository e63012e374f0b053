"""The grouping loss: pull the tags of one instance together, push the instances apart.

Letters: B batch, N instances, P locations per instance, T tag channels, L tag dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aemm.ops.tags import gather_tags, reference_tags
from aemm.registry import MODELS


@MODELS.register_module()
class GroupingLoss(nn.Module):
    """Pull and push of associative embedding, without a loop, the mean over the batch.

    ``paper``, for each image: pull is the sum over n, k of the squared distance to the reference tag,
    divided by N; push the sum over all pairs n, n', the diagonal included, of exp(-d² / 2σ²), divided by N².

    ``reference``, for each image: pull is the mean over n of the mean over k and L; push half the mean
    over the pairs n != n' of exp(-d²), 0 if N < 2.

    Instances without a location do not count. An image without instances gives zeros that stay in the
    graph. Everything is computed in fp32, also under autocast.

    Args:
        form: ``'reference'`` (the authors' code and HigherHRNet) or ``'paper'`` (equation 1).
        pull_weight: factor on the pull.
        push_weight: factor on the push.
        sigma: σ of the paper's push.

    Reference: Newell et al. 2017, equation 1; HigherHRNet lib/core/loss.py (AELoss).
    """

    def __init__(
        self, form: str = "reference", pull_weight: float = 1.0, push_weight: float = 1.0, sigma: float = 1.0
    ) -> None:
        super().__init__()
        if form not in ("reference", "paper"):
            raise ValueError(f"form must be 'reference' or 'paper', got {form!r}")
        self.form, self.sigma = form, sigma
        self.pull_weight, self.push_weight = pull_weight, push_weight

    def forward(self, tags: Tensor, tag_index: Tensor) -> dict[str, Tensor]:
        """Weighted ``loss_pull`` and ``loss_push``.

        Args:
            tags: ``(B, T, L, h, w)``.
            tag_index: ``(B, N, P) int64`` flat into ``(T, h, w)``, -1 = absent.

        Returns:
            Scalars, the mean over the B images.
        """
        with torch.autocast(tags.device.type, enabled=False):
            found, present = gather_tags(tags, tag_index)
            mean, valid = reference_tags(found, present)
            pull, push = self._per_image(found, present, mean, valid)
        return {"loss_pull": pull.mean() * self.pull_weight, "loss_push": push.mean() * self.push_weight}

    def _per_image(self, found: Tensor, present: Tensor, mean: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Pull and push ``(B,)`` of every image."""
        count = valid.sum(1)
        away = ((found - mean[:, :, None]) * present[..., None]).square().sum(3)  # (B, N, P)
        apart = (mean[:, :, None] - mean[:, None]).square().sum(3)  # (B, N, N)
        pairs = valid[:, :, None] & valid[:, None]
        if self.form == "paper":
            near = torch.exp(-apart / (2 * self.sigma**2)) * pairs
            some = count.clamp(min=1)
            return away.sum((1, 2)) / some, near.sum((1, 2)) / some**2
        pairs = pairs & ~torch.eye(pairs.shape[1], dtype=torch.bool, device=pairs.device)
        per_instance = away.sum(2) / (present.sum(2).clamp(min=1) * found.shape[3])
        pull = per_instance.sum(1) / count.clamp(min=1)
        push = 0.5 * (torch.exp(-apart) * pairs).sum((1, 2)) / (count * (count - 1)).clamp(min=1)
        return pull, push
