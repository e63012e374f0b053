"""Sampler, collate function and workers of every data set, which inherits them and adds what it loads.

``in_process`` is for small or drawn data: loaded in the training process, which on two cores takes half the time.
"""

train_dataloader = dict(
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type="SeededSampler", shuffle=True),
    collate_fn=dict(type="aemm.collate"),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="SeededSampler", shuffle=False, round_up=False),
    collate_fn=dict(type="aemm.collate"),
)
test_dataloader = val_dataloader
in_process = dict(num_workers=0, persistent_workers=False)
