import json

import numpy as np
import pytest

from aemm.datasets import (
    AnnotationError,
    CocoInstanceDataset,
    CocoPoseDataset,
    ConcatDataset,
    MpiiDataset,
    RepeatDataset,
    SampleKey,
    SeededSampler,
    SyntheticPoseDataset,
)
from aemm.evaluation import CocoMetric
from aemm.records import Instances
from aemm.registry import DATASETS
from tests.annotations import person, person_file, write
from tests.pairs import measured

JITTER = [dict(type="ColorJitter", brightness=0.4)]


@pytest.fixture
def folder(tmp_path):
    """Two files whose images have the same ids: three images, and two with a person more each."""
    write(tmp_path / "", person_file(3), "a.json")
    second = person_file(2)
    second["annotations"] += [person(n, n - 10, keypoints=[30, 9, 2] * 17) for n in (11, 12)]
    second["categories"][0]["id"] = 4
    for row in second["annotations"]:
        row["category_id"] = 4
    (tmp_path / "b").mkdir()
    write(tmp_path / "b", second, "b.json")
    return tmp_path


def _both(folder, **changes):
    return CocoPoseDataset(["a.json", "b/b.json"], ["", "b"], str(folder), **changes)


def _perfect(truth):
    keypoints, visible = truth.need_keypoints()
    keep = ~truth.crowd & (visible > 0).any(1)
    scores = (visible[keep] > 0).astype(float)
    return Instances(
        truth.image_id, truth.image_size, np.ones(keep.sum()), keypoints=keypoints[keep], keypoint_scores=scores
    )


def _parts(folder, **changes):
    base = dict(type="CocoPoseDataset", data_root=str(folder), **changes)
    return [base | dict(ann_file="a.json", img_dir=""), base | dict(ann_file="b/b.json", img_dir="b")]


def test_a_list_of_files_is_one_set_whose_parts_stay_apart(folder):
    dataset = _both(folder, test_mode=True)
    assert [sample.image_id for sample in dataset] == [1, 2, 3, 1, 2]
    assert [len(sample.keypoints) for sample in dataset] == [1, 1, 1, 2, 2]
    assert len({(sample.truth.part, sample.truth.image_id) for sample in dataset}) == 5
    assert dataset.metainfo.category_ids == (1,)
    assert len(CocoPoseDataset(["a.json", "b/b.json"], "", str(folder))) == 5  # one folder for all


@pytest.mark.parametrize("joined", [_both, lambda folder, **c: ConcatDataset(_parts(folder, **c))])
def test_figures_are_of_the_whole_and_of_each_part(folder, joined):
    dataset = joined(folder, test_mode=True)
    truths = [sample.truth for sample in dataset]
    figures = measured(CocoMetric(), dataset.metainfo, [(truth, _perfect(truth)) for truth in truths])
    assert [figures[f"coco/{part}AP"] for part in ("", "a/", "b/")] == [1, 1, 1]
    missed = [(truth, _perfect(truth)[:1]) for truth in truths]
    figures = measured(CocoMetric(), dataset.metainfo, missed)
    assert figures["coco/a/AR"] == 1
    assert figures["coco/b/AR"] == pytest.approx(0.5)
    assert figures["coco/AR"] == pytest.approx(5 / 7)


def test_masks_of_several_files_share_their_classes(folder):
    dataset = CocoInstanceDataset(["a.json", "b/b.json"], ["", "b"], str(folder), test_mode=True)
    assert [sample.truth.labels.tolist() for sample in dataset] == [[0], [0], [0], [0, 0], [0, 0]]
    other = person_file(1) | dict(categories=[dict(id=1, name="cat"), dict(id=2, name="dog")])
    path = write(folder, other, "c.json")
    with pytest.raises(ValueError, match=r"the classes of .*a\.json and .*c\.json differ: \('person',\) and"):
        CocoInstanceDataset(["a.json", path], "", str(folder))


@pytest.mark.parametrize(
    ("files", "folders", "message"),
    [
        ([], "", "got 0 files and 0 folders"),
        (["a.json", "b/b.json"], ["", "b", "c"], "got 2 files and 3 folders"),
        (["a.json", "a.json"], "", "ann_file names a file twice"),
        (["a.json", None], "", "ann_file must be a path or a list of paths, got None"),
        ("a.json", 5, "img_dir must be a path or a list of paths, got 5"),
    ],
)
def test_files_and_folders_must_fit(folder, files, folders, message):
    with pytest.raises(ValueError, match=message):
        CocoPoseDataset(files, folders, str(folder))


def test_a_fault_of_one_of_several_files_names_it(folder):
    data = json.loads((folder / "b/b.json").read_text())
    data["annotations"][0]["area"] = "x"
    (folder / "b/b.json").write_text(json.dumps(data))
    with pytest.raises(AnnotationError, match=r"b/b\.json has 1 fault"):
        _both(folder)
    with pytest.raises(ValueError, match=r"MpiiDataset reads one annotation file.*ConcatDataset"):
        MpiiDataset(["a.json", "b/b.json"], "", str(folder))


def test_the_names_of_mmengine_build_what_takes_keys_of_samples(folder):
    config = dict(type="RepeatDataset", times=2, dataset=dict(type="ConcatDataset", datasets=_parts(folder)))
    dataset = DATASETS.build(config)
    assert isinstance(dataset, RepeatDataset)
    assert len(dataset) == 10
    keys = list(SeededSampler(dataset, seed=3))
    assert sorted(dataset[key].image_id for key in keys) == sorted([1, 2, 3, 1, 2] * 2)
    with pytest.raises(IndexError, match="index 10 is outside the 10 samples"):
        dataset[10]


def test_copies_and_parts_draw_independently_and_the_first_as_it_would_alone(folder):
    part = CocoPoseDataset("a.json", "", str(folder), pipeline=JITTER)
    alone = [part[SampleKey(0, epoch, 5)].image for epoch in range(3)]
    twice = RepeatDataset(part, 2)
    draws = []
    for epoch in range(3):
        np.testing.assert_array_equal(twice[SampleKey(0, epoch, 5)].image, alone[epoch])
        draws.append(twice[SampleKey(3, epoch, 5)].rng.random())
        assert draws[-1] != twice[SampleKey(0, epoch, 5)].rng.random()
        assert draws[-1] == twice[SampleKey(3, epoch, 5)].rng.random()
    assert len(set(draws)) == 3
    joined = ConcatDataset([part, CocoPoseDataset("b/b.json", "b", str(folder), pipeline=JITTER)])
    assert joined[SampleKey(0, 0, 5)].rng.random() != joined[SampleKey(3, 0, 5)].rng.random()


def test_weights_say_how_often_samples_come(folder):
    joined = ConcatDataset(_parts(folder), weights=[1 / 3, 2.5])
    assert len(joined) == 1 + 5
    drawn = []
    for epoch in range(60):
        ids = [(len(s.keypoints), s.image_id) for s in (joined[SampleKey(n, epoch)] for n in range(len(joined)))]
        assert all(ids.count((2, key)) in (2, 3) for key in (1, 2))
        drawn.append(ids[0][1])
    assert set(drawn) == {1, 2, 3}
    again = [joined[SampleKey(0, epoch)].image_id for epoch in range(60)]
    assert again == drawn


def test_parts_without_files_are_numbered_or_named(folder):
    parts = [SyntheticPoseDataset(length=2, image_size=64, test_mode=True) for _ in range(2)]
    named = [sample.truth.part for sample in ConcatDataset(parts)]
    assert named == ["SyntheticPoseDataset 1"] * 2 + ["SyntheticPoseDataset 2"] * 2
    assert [s.truth.part for s in ConcatDataset(parts, names=["x", "y"])] == ["x", "x", "y", "y"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(datasets=[]), "datasets must list data sets, at least one"),
        (dict(datasets=dict(type="CocoPoseDataset")), "datasets must list data sets"),
        (dict(datasets=[5]), r"datasets\[0\] must be one of aemm's data sets, got a int"),
        (dict(weights=[1]), "weights must be 2 positive numbers, one for each data set, got"),
        (dict(weights=[1, 0]), "weights must be 2 positive numbers"),
        (dict(names=["a", "a"]), "names must be 2 different names"),
    ],
)
def test_faulty_arguments_are_explained(folder, changes, message):
    with pytest.raises(ValueError, match=message):
        ConcatDataset(**(dict(datasets=_parts(folder)) | changes))


def test_what_does_not_belong_together_is_refused(folder):
    pose = CocoPoseDataset("a.json", "", str(folder))
    other = SyntheticPoseDataset(length=2, image_size=64, skeleton="crowdpose")
    with pytest.raises(ValueError, match=r"different skeletons: 'coco' of 17 keypoints and 'crowdpose' of 14"):
        ConcatDataset([pose, other])
    with pytest.raises(ValueError, match="test_mode must be the same in all data sets"):
        ConcatDataset([pose, CocoPoseDataset("a.json", "", str(folder), test_mode=True)])
    with pytest.raises(ValueError, match="weights are for training"):
        ConcatDataset(_parts(folder, test_mode=True), weights=[1, 2])
    with pytest.raises(ValueError, match="times must be a positive number, got 0"):
        RepeatDataset(pose, 0)
