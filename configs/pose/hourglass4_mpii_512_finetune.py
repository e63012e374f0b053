"""Four stacked hourglasses on MPII multi-person at 512 px, from a COCO model whose maps went over by name.

    python tools/checkpoint_tools/map_keypoints.py COCO_CHECKPOINT configs/pose/hourglass4_coco_512.py \
        configs/pose/hourglass4_mpii_512_finetune.py work_dirs/hourglass4_coco_to_mpii.pth
    bash tools/dist_train.sh configs/pose/hourglass4_mpii_512_finetune.py 8

Twelve keypoints have one name in both; pelvis, thorax, upper neck and head top are learnt anew. No figure is
published for this; the shorter schedule is ours and untested.
"""

_base_ = ["./hourglass4_mpii_512.py"]

load_from = "work_dirs/hourglass4_coco_to_mpii.pth"
param_scheduler = [dict(type="MultiStepLR", milestones=[30], gamma=0.05, by_epoch=True)]
train_cfg = dict(max_epochs=40)
