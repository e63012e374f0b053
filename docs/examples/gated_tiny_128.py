"""The embedded recipe with a head of one's own.

PYTHONPATH=docs/examples python tools/train.py docs/examples/gated_tiny_128.py
"""

_base_ = ["../../configs/synthetic/pose_hourglass_tiny_128.py"]

custom_imports = dict(imports=["gated_head"])
model = dict(head=dict(type="GatedHead", gate=2.0))
