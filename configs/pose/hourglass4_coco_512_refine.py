"""The published four stacked hourglasses on COCO at 512 px, people refined by a single-person network.

    python tools/test.py configs/pose/hourglass4_coco_512_refine.py CHECKPOINT

Expected: AP .628 on COCO test-dev (Newell et al. 2017, table 2). Not reproduced by aemm yet. Training is that of
hourglass4_coco_512.py; refine_hourglass4_coco_512.py trains the refinement network, whose weights ``refiner`` names.
"""

_base_ = ["./hourglass4_coco_512.py", "../_base_/models/hourglass4_single_person.py"]

refiner = dict(
    type="SinglePersonRefiner",
    model={{_base_.single_person}},
    checkpoint="work_dirs/refine_hourglass4_coco_512/refine.pth",
    sizes=(512, 400, 300),
)
model = dict(postprocessors=[refiner])
val_dataloader = dict(dataset=dict(pipeline=[dict(type="KeepOriginal"), {{_base_.resize}}]))
test_dataloader = val_dataloader
