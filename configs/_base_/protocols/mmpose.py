"""mmpose 0.x's protocol: HigherHRNet's, but for moves that count in each side of the image, not in the shorter one.

Source: open-mmlab/mmpose 0.29 datasets/pipelines/bottom_up_transform.py and core/post_processing/group.py.
"""

_base_ = ["higherhrnet.py"]

_base_.train_pipeline[0].move_unit = "sides"
