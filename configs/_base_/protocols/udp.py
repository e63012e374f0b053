"""Unbiased data processing as mmpose 0.x has it: augmentation as in mmpose.py, decoded at the size of the largest maps.

Pixels and cells count from their middles, images to test on start at the corner of the input, and keypoints found lie
where Newton's step on the smoothed heatmap's logarithm leads.
Source: open-mmlab/mmpose 0.29 datasets/pipelines/bottom_up_transform.py, core/post_processing/group.py and
core/evaluation/top_down_eval.py; Huang et al., The devil is in the details: delving into unbiased data processing for
human pose estimation (CVPR 2020).
"""

_base_ = ["mmpose.py"]

decoder = dict(subpixel="hessian", filled_subpixel="quarter")
tta = dict(size="largest")
_base_.train_pipeline[0].convention = _base_.test_pipeline[0].convention = "udp"
_base_.train_pipeline[-1].style = "udp"
_base_.test_pipeline[0].center = "corner"
