"""HigherHRNet-W48 on CrowdPose at 640 px.

    bash tools/dist_train.sh configs/pose/higherhrnet_w48_crowdpose_640.py 4

Expected: AP .659 on CrowdPose test with flip, .676 with ``--scales 2 1 0.5`` (Cheng et al. 2020). Not reproduced by
aemm yet. The data are expected in data/crowdpose as they are published, images/ and json/, with one file that
_base_/datasets/crowdpose.py says how to make.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/higherhrnet_ae.py",
    "../_base_/protocols/higherhrnet.py",
    "../_base_/datasets/crowdpose.py",
    "../_base_/schedules/adam_300e_higherhrnet.py",
]

_base_.train_pipeline[0].size = _base_.test_pipeline[0].size = 640
_base_.train_pipeline[-1].update(_base_.map_strides)
_base_.decoder.update(skeleton="crowdpose", grouping_order=(*range(7), 11, 12, 7, 8, 9, 10, 13))
model = dict(backbone={{_base_.w48}}, head=dict(num_heatmaps=14), decoder={{_base_.decoder}}, tta={{_base_.tta}})
train_dataloader = dict(batch_size=10, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
default_hooks = dict(checkpoint=dict(save_best="crowdpose/AP"))
