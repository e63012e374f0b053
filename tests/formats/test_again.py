"""What was loaded is the same when it is written and loaded again."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from aemm.datasets import CocoInstanceDataset, CocoPoseDataset, MpiiDataset, MpiiGroupDataset
from aemm.formats.coco import describe_set
from aemm.formats.files import write_json
from aemm.formats.mpii import describe_group, describe_groups, describe_person
from aemm.formats.mpii_mat import read_submission, write_submission
from aemm.ops.masks import decode_masks
from aemm.skeletons import SKELETONS, build_skeleton

hypothesis = pytest.importorskip("hypothesis", reason="needs hypothesis: pip install -r requirements/tests.txt")

from tests.drawn_sets import SEEDS, draw_groups, draw_keypoints, draw_masks, examples, write_all  # noqa: E402
from tests.fuzz.loaders import perfect  # noqa: E402

NAMES = hypothesis.strategies.text("abcdefglr _LR", min_size=1, max_size=8)


def truths_of(dataset):
    return [dataset[n].truth for n in range(len(dataset))]


def check_same(one, other, *left_out):
    """Whether two truths say the same; coordinates are written to a thousandth of a pixel."""
    for field in fields(one):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("part", *left_out):
            continue
        if field.name == "masks" and first is not None:
            np.testing.assert_array_equal(decode_masks(first, one.image_size), decode_masks(second, one.image_size))
        elif isinstance(first, np.ndarray):
            np.testing.assert_allclose(first, second, atol=1e-3, err_msg=field.name)
        else:
            assert first == second, field.name


def check_again(folder, build, describe=describe_set):
    """Load, write, load again."""
    first = build("people.json")
    truths = truths_of(first)
    write_json(folder / "again.json", describe(truths, first.metainfo))
    again = build("again.json")
    assert len(again) == len(first)
    assert replace(again.metainfo, name="") == replace(first.metainfo, name="")
    for one, other in zip(truths, truths_of(again), strict=True):
        check_same(one, other)


def test_keypoints_are_the_same_again(tmp_path):
    @examples(6)
    @hypothesis.given(SEEDS)
    def run(seed):
        write_all(tmp_path, draw_keypoints(np.random.default_rng(seed)))
        check_again(tmp_path, lambda name: CocoPoseDataset(name, "", str(tmp_path), test_mode=True))

    run()


@pytest.mark.parametrize("classes", [None, ["dog", "cat"]], ids=str)
def test_instances_are_the_same_again(classes, tmp_path):
    @examples(6)
    @hypothesis.given(SEEDS)
    def run(seed):
        data = draw_masks(np.random.default_rng(seed))
        hypothesis.assume({row["category_id"] for row in data["annotations"]} >= {1, 2})
        data["categories"].pop()  # two categories of one name are one when they are written
        data["annotations"] = [row for row in data["annotations"] if row["category_id"] != 3]
        write_all(tmp_path, data)
        check_again(
            tmp_path, lambda name: CocoInstanceDataset(name, "", str(tmp_path), classes=classes, test_mode=True)
        )

    run()


def test_people_and_groups_of_mpii_are_the_same_again(tmp_path):
    @examples(6)
    @hypothesis.given(SEEDS)
    def run(seed):
        write_all(tmp_path, draw_groups(np.random.default_rng(seed)))

        def describe(truths, info):
            rows = json.loads((tmp_path / "people.json").read_text())["annotations"]
            file = MpiiGroupDataset("people.json", "", str(tmp_path)).mpii
            people = [
                describe_person(np.array(row["objpos"]), row["scale"], np.array(row["head_box"]), members)
                for row, members in zip(rows, file.members, strict=True)
            ]
            images = [file.images[entry.image].image_id for entry in file.groups]
            groups = [
                describe_group(entry.group_id, image, entry.group)
                for entry, image in zip(file.groups, images, strict=True)
            ]
            return describe_groups(truths, info, people, groups)

        check_again(
            tmp_path,
            lambda name: MpiiDataset(name, "", str(tmp_path), min_keypoints=0, test_mode=True),
            describe,
        )
        first, second = (MpiiGroupDataset(name, "", str(tmp_path)) for name in ("people.json", "again.json"))
        assert [group.group_id for group in first.mpii.groups] == [group.group_id for group in second.mpii.groups]
        for one, other in zip(truths_of(first), truths_of(second), strict=True):
            check_same(one, other, "group")
            np.testing.assert_allclose(one.group.rectangle, other.group.rectangle, atol=1e-3)

    run()


def test_a_submission_to_mpii_is_the_same_again(tmp_path):
    @examples(6)
    @hypothesis.given(SEEDS)
    def run(seed):
        rng = np.random.default_rng(seed)
        write_all(tmp_path, draw_groups(rng))
        found = [perfect(truth) for truth in truths_of(MpiiGroupDataset("people.json", "", str(tmp_path)))]
        for one in found:
            one.keypoint_scores = one.keypoint_scores * rng.random(one.keypoint_scores.shape)
        write_submission(tmp_path / "pred.mat", found, SKELETONS["mpii"])
        for one, other in zip(found, read_submission(tmp_path / "pred.mat"), strict=True):
            np.testing.assert_allclose(one.keypoint_scores, other.keypoint_scores)
            there = one.keypoint_scores > 0
            np.testing.assert_allclose(one.keypoints[there], other.keypoints[there], atol=1e-9)

    run()


@pytest.mark.filterwarnings("ignore")
def test_skeletons_are_the_same_again(tmp_path):
    @examples(40)
    @hypothesis.given(hypothesis.strategies.lists(NAMES, min_size=1, max_size=12, unique=True), SEEDS)
    def run(names, seed):
        rng, count = np.random.default_rng(seed), len(names)
        definition = dict(name="drawn", keypoints=names, sigmas=rng.uniform(0.01, 0.2, count).tolist())
        definition["limbs"] = rng.integers(0, count, (4, 2)).tolist()
        definition["grouping_order"] = rng.permutation(count).tolist()
        skeleton = build_skeleton(definition)
        write_json(tmp_path / "drawn.json", skeleton.to_dict())
        assert build_skeleton(str(tmp_path / "drawn.json")) == skeleton

    run()


@pytest.mark.parametrize("name", SKELETONS)
def test_known_skeletons_are_the_same_again(name, tmp_path):
    write_json(tmp_path / "known.json", SKELETONS[name].to_dict())
    assert build_skeleton(str(tmp_path / "known.json")) == SKELETONS[name]
