"""HigherHRNet-W48 on CrowdPose at 640 px.

    bash tools/dist_train.sh configs/pose/higherhrnet_w48_crowdpose_640.py 4

Expected: AP .659 on CrowdPose test with flip (Cheng et al. 2020). Not reproduced by aemm yet. The data are
expected in data/crowdpose as they are published: images/ and json/.
"""

_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/models/higherhrnet_w48_ae.py",
    "../_base_/decoders/higherhrnet.py",
    "../_base_/tta/higherhrnet.py",
    "../_base_/datasets/crowdpose.py",
    "../_base_/pipelines/short_higher.py",
    "../_base_/schedules/adam_300e_higherhrnet.py",
]

_base_.train_pipeline[0].size = _base_.resize.size = 640
_base_.resize.scales = (1,)
_base_.decoder.skeleton = "crowdpose"
model = dict(head=dict(num_heatmaps=14), decoder={{_base_.decoder}}, tta={{_base_.tta}})
train_dataloader = dict(batch_size=10, dataset=dict(pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline=[{{_base_.resize}}]))
test_dataloader = val_dataloader
default_hooks = dict(checkpoint=dict(save_best="crowdpose/AP"))
