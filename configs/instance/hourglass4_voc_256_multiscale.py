"""VOC 2012 masks, tested at scales 0.5, 1 and 1.5 as published; trained by hourglass4_voc_256.py.

    python tools/test.py configs/instance/hourglass4_voc_256_multiscale.py checkpoint.pth

Every scale makes proposals; masks that overlap better ones are dropped. Not measured by aemm yet.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/hourglass4_instance.py",
    "../_base_/decoders/instance.py",
    "../_base_/datasets/voc_instance_256.py",
    "../_base_/schedules/adam_200k.py",
    "../_base_/tta/instance.py",
]

model = dict(decoder={{_base_.decoder}}, tta={{_base_.tta}})
default_hooks = dict(checkpoint=dict(save_best="voc/apr_50"))
val_dataloader = dict(dataset=dict(pipeline=[{{_base_.resize}}]))
test_dataloader = val_dataloader
