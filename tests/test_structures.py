import numpy as np
import pytest
import torch

from aemm.structures import Batch, Instances, Maps, Peaks, Sample, Targets


def _instances(count=3):
    return Instances(
        image_id=4,
        image_size=(10, 20),
        scores=np.arange(count) / 10,
        keypoints=np.zeros((count, 5, 2)),
        keypoint_scores=np.ones((count, 5)),
    )


def test_records_print_shapes_and_not_contents():
    assert repr(Maps(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 1, 3, 4))) == (
        "Maps(heatmaps=float32(1, 2, 3, 4), tags=float32(1, 2, 1, 3, 4))"
    )
    assert "keypoints=float64(3, 5, 2)" in repr(_instances())
    assert "track_ids" not in repr(_instances())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Maps(torch.zeros(1, 17, 8, 8), torch.zeros(1, 16, 1, 8, 8)), "T=1 or T=17.*tag_per_keypoint wrong"),
        (lambda: Maps(torch.zeros(17, 8, 8)), r"\(B, C, h, w\)"),
        (lambda: Targets(torch.zeros(17, 8, 8), torch.zeros(8, 9)), r"weight must have shape \(8, 8\), got \(8, 9\)"),
        (lambda: Sample(np.zeros((4, 4)), 1, (4, 4)), r"image 1 must be \(H, W, 3\)"),
        (lambda: Sample(np.zeros((4, 4, 3)), 1, (4, 4), keypoints=np.zeros((1, 2, 2))), "come together"),
        (lambda: Sample(np.zeros((4, 4, 3)), 1, (4, 4), ignore=np.zeros((4, 5))), r"ignore must have shape \(4, 4\)"),
        (lambda: Instances(7, (4, 4), np.zeros(2), keypoints=np.zeros((3, 5, 2))), "image 7: 2 scores but 3 keypoints"),
        (
            lambda: Peaks(torch.zeros(1, 2, 3), torch.zeros(1, 2, 4, 2), torch.zeros(1, 2, 3, 1)),
            "cells must have shape",
        ),
        (lambda: Batch([torch.zeros(2, 3, 4, 4)], [1], [(4, 4)], np.eye(3)[None]), "images must have shape"),
        (lambda: Batch([torch.zeros(1, 3, 4, 4)], [1], [], np.eye(3)[None]), "1 image_ids but 0 image_sizes"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_rows_of_instances_are_chosen_in_every_field():
    chosen = _instances()[np.array([2, 0])]
    assert chosen.scores.tolist() == [0.2, 0.0]
    assert chosen.keypoints.shape == (2, 5, 2)
    assert chosen.image_id == 4
    assert chosen.tags is None
    assert len(_instances()[:0]) == 0


def test_maps_resize_as_a_pure_scale():
    ramp = torch.arange(8.0).expand(1, 1, 4, 8).clone()
    big = Maps(ramp, ramp[:, :, None]).resize((8, 16))
    assert big.heatmaps.shape == (1, 1, 8, 16)
    torch.testing.assert_close(big.heatmaps[0, 0, 3, 1:-1], (torch.arange(1, 15) + 0.5) / 2 - 0.5)
    torch.testing.assert_close(big.tags[:, :, 0], big.heatmaps)
    same = Maps(ramp)
    assert same.resize((4, 8)).heatmaps is ramp


def test_a_batch_moves_images_and_targets_but_not_the_warp():
    target = Targets(torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2), torch.zeros(1, 3, 2, dtype=torch.int64))
    batch = Batch([torch.zeros(1, 3, 4, 6)], ["a"], [(4, 6)], np.eye(3)[None], [target])
    moved = batch.to("meta")
    assert moved.images[0].device.type == moved.targets[0].tag_index.device.type == "meta"
    assert moved.warp is batch.warp
    assert (len(moved), moved.input_size) == (1, (4, 6))
