"""CrowdPose: trained on trainval, tested on test. A recipe adds the pipelines and the batch size."""

_base_ = ["../loaders.py"]

data_root = "data/crowdpose/"
people = dict(type="CrowdPoseDataset", data_root=data_root, img_dir="images")
train_dataloader = dict(dataset=dict(people, ann_file="json/crowdpose_trainval.json"))
val_dataloader = dict(dataset=dict(people, ann_file="json/crowdpose_test.json", test_mode=True))
test_dataloader = val_dataloader
val_evaluator = dict(type="CrowdPoseMetric")
test_evaluator = val_evaluator
