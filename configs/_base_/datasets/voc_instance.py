"""PASCAL VOC 2012 segmentation: trained on train, measured on val. A recipe adds the pipelines and the batch size.

``data_root`` is the folder VOC2012. SBD's masks join by ``image_sets`` and ``sbd_dir``, with VOC's val in ``exclude``.
"""

_base_ = ["../loaders.py"]

data_root = "data/VOCdevkit/VOC2012/"
objects = dict(type="VocInstanceDataset", data_root=data_root)
train_dataloader = dict(dataset=dict(objects, image_sets=["ImageSets/Segmentation/train.txt"]))
val_dataloader = dict(
    batch_size=16,
    dataset=dict(objects, image_sets=["ImageSets/Segmentation/val.txt"], test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="VocInstanceMetric")
test_evaluator = val_evaluator
