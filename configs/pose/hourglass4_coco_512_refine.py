"""The published four stacked hourglasses on COCO at 512 px, people refined by a single-person network.

    python tools/test.py configs/pose/hourglass4_coco_512_refine.py CHECKPOINT
    python tools/test.py configs/pose/hourglass4_coco_512_refine.py CHECKPOINT \
        --scales 2 1.8 1.5 1.3 1.2 1 0.7 0.5 0.25 --cfg-options test_dataloader.batch_size=1

Expected: AP .628 on COCO test-dev; .655 at the nine scales of the second command, those of the authors' demo, which
scales max(512, longer side) where this recipe scales 512 (Newell et al. 2017, table 2). Not reproduced by aemm yet.
Training is that of hourglass4_coco_512.py; refine_hourglass4_coco_512.py trains the refinement network, whose weights
``refiner`` names.
"""

_base_ = ["./hourglass4_coco_512.py", "../_base_/models/hourglass4_single_person.py"]

refiner = dict(
    type="SinglePersonRefiner",
    model={{_base_.single_person}},
    checkpoint="work_dirs/refine_hourglass4_coco_512",
    sizes=(512, 400, 300),
)
model = dict(postprocessors=[refiner])
val_dataloader = dict(dataset=dict(pipeline=[dict(type="KeepOriginal"), *_base_.test_pipeline]))
test_dataloader = val_dataloader
