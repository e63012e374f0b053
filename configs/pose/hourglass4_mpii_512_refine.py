"""The published four stacked hourglasses on MPII multi-person at 512 px, people refined by a single-person network.

    python tools/test.py configs/pose/hourglass4_mpii_512_refine.py CHECKPOINT --scales 2 1 0.5

Expected: mAP 77.5 on the 1758 groups of the test set, with several scales, which the paper does not name, and
refinement (Newell et al. 2017, table 1). Not reproduced by aemm yet, nor by any other published code. Training is that
of hourglass4_mpii_512.py; refine_hourglass4_mpii_512.py trains the refinement network, whose weights ``refiner`` names.
"""

_base_ = ["./hourglass4_mpii_512.py", "../_base_/models/hourglass4_single_person.py"]

_base_.single_person.backbone.out_channels = _base_.single_person.head.num_heatmaps = 16
_base_.single_person.decoder.skeleton = "mpii"
refiner = dict(
    type="SinglePersonRefiner",
    model={{_base_.single_person}},
    checkpoint="work_dirs/refine_hourglass4_mpii_512",
    sizes=(512, 400, 300),
)
model = dict(postprocessors=[refiner])
val_dataloader = dict(dataset=dict(keep_original=True))
test_dataloader = val_dataloader
