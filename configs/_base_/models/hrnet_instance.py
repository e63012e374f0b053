"""As hrnet_ae.py for masks: heatmap and tag map for each of VOC's 20 classes; means in place of the sums of eq. 2."""

_base_ = ["hrnet_ae.py"]

means = dict(_delete_=True, type="PixelGroupingLoss", normalize=True, pull_weight=1e-2, push_weight=1e-2)
model = dict(head=dict(num_heatmaps=20, tag_std=0.1, init_cfg=None, grouping_loss=means))
