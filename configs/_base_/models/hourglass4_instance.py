"""As hourglass4_ae.py for masks: a heatmap and a tag map for each of VOC's 20 classes.

The sums of equation 2 weigh 1e-4. Source: Newell et al. 2017, sections 3.3 and 4.2.
"""

_base_ = ["hourglass4_ae.py"]

sums = dict(_delete_=True, type="PixelGroupingLoss", normalize=False, pull_weight=1e-4, push_weight=1e-4)
model = dict(backbone=dict(out_channels=40), head=dict(num_heatmaps=20, grouping_loss=sums))
