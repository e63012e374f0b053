import numpy as np

from aemm.ops.true_maps import APART, NOBODY, tag_spots, true_heatmaps, true_mask_tags, true_tags
from aemm.structures import Sample


def sample() -> Sample:
    keypoints = np.array([[[10.0, 10.0], [30.0, 13.0]], [[50.0, 40.0], [0.0, 0.0]]], np.float32)
    visible = np.array([[2, 2], [1, 0]])
    return Sample(np.zeros((64, 64, 3), np.uint8), 1, (64, 64), keypoints, visible)


def test_tags_are_those_of_the_nearest_person_who_has_the_keypoint():
    tags = true_tags(sample(), (16, 16))
    assert tags[0, 2, 2] != tags[0, 10, 12]
    assert set(np.unique(tags[0])) == {tags[0, 2, 2], tags[0, 10, 12]}
    assert np.unique(tags[1]).tolist() == [tags[0, 2, 2]]  # the second person has none


def test_without_people_tags_belong_to_nobody():
    nobody = Sample(np.zeros((64, 64, 3), np.uint8), 1, (64, 64), np.zeros((0, 2, 2), np.float32), np.zeros((0, 2)))
    assert len(np.unique(true_tags(nobody, (16, 16)))) == 1
    assert true_heatmaps(nobody, (16, 16), 1.0, "unbiased").max() == 0


def test_heatmaps_peak_at_the_keypoints():
    heat = true_heatmaps(sample(), (16, 16), 1.0, "unbiased")
    assert np.unravel_index(heat[1].argmax(), (16, 16)) == (3, 7)


def test_spots_reach_three_cells_and_the_nearer_place_has_the_cell_where_two_meet():
    index = np.array([[2 * 12 + 2, -1], [2 * 12 + 6, 96 + 5]])  # places y, x: (2, 2); (2, 6) and, in map 1, (0, 5)
    tags = tag_spots(index, (2, 8, 12))
    assert tags[0, 2, [1, 2, 3]].tolist() == [0, 0, 0]
    assert tags[0, 2, [5, 6, 7, 9]].tolist() == [APART] * 4
    assert tags[0, 2, 10] == tags[0, 6, 2] == tags[1, 4, 5] == NOBODY
    assert tags[1, 3, 8] == APART


def test_mask_tags_are_those_of_the_instance_of_the_class_that_covers_most_of_a_cell():
    masks = np.zeros((3, 4, 8), bool)
    masks[0, :, :3], masks[1, :, 3:], masks[2, :, 6:] = True, True, True
    tags = true_mask_tags(masks, np.array([1, 1, 0]), np.array([5.0, 7.0, 9.0]), 3, stride=2)
    assert tags.shape == (3, 2, 4)
    assert tags[1, 0].tolist() == [5, 5, 7, 7]  # of the second cell each covers half: the first has it
    assert (tags[0] == 9).all()
    assert (tags[2] == 0).all()
