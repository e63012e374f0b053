"""20 images of a small part of COCO at 256 px, people alone: trained and measured on the same images.

Only people of at least 32 x 32 px have to be found.
"""

_base_ = ["../loaders.py"]

data_root = "data/coco_mini/"
resize = dict(type="ResizeToFit", size=256, fit="long", square=True)
targets = dict(type="InstanceTargets", strides=(4,), num_classes=1, samples=40)
people = dict(
    type="CocoInstanceDataset",
    data_root=data_root,
    ann_file="annotations/instances_train2017.json",
    img_dir="train2017",
    classes=["person"],
    only_with_instances=True,
    min_area=32**2,
    max_images=20,
)
train_dataloader = dict(
    batch_size=4, drop_last=False, dataset=dict(people, pipeline=[resize, targets]), **_base_.in_process
)
val_dataloader = dict(batch_size=4, dataset=dict(people, pipeline=[resize], test_mode=True), **_base_.in_process)
test_dataloader = val_dataloader
val_evaluator = dict(type="VocInstanceMetric", min_area=32**2)
test_evaluator = val_evaluator
