"""CrowdPose: trained on trainval, tested on test. A recipe adds the pipelines and the batch size.

    python tools/dataset_tools/join_annotations.py data/crowdpose/json/crowdpose_train.json \
        data/crowdpose/json/crowdpose_val.json --out data/crowdpose/json/crowdpose_trainval.json

HigherHRNet trains on every image with people and ignores nobody.
"""

_base_ = ["../loaders.py"]

data_root = "data/crowdpose/"
people = dict(type="CrowdPoseDataset", data_root=data_root, img_dir="images")
train_dataloader = dict(dataset=dict(people, ann_file="json/crowdpose_trainval.json", images="with_people", ignore=()))
val_dataloader = dict(dataset=dict(people, ann_file="json/crowdpose_test.json", test_mode=True))
test_dataloader = val_dataloader
val_evaluator = dict(type="CrowdPoseMetric")
test_evaluator = val_evaluator
