"""Parts as a user registers them, for configs of the tests."""

from torch.utils.data import BatchSampler

from aemm.registry import DATA_SAMPLERS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class SeveralOptimizers:
    """Takes an optimizer wrapper for each part of the model."""

    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        self.optim_wrapper_cfg = optim_wrapper_cfg


@DATA_SAMPLERS.register_module(force=True)
class PairSampler(BatchSampler):
    """Draws batches itself."""

    def __init__(self, sampler, batch_size, shuffle=False):
        super().__init__(sampler, batch_size, shuffle)


@MODELS.register_module(force=True)
class FreeHead:
    """Takes whatever it is given."""

    def __init__(self, **anything):
        self.anything = anything
