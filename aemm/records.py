"""Records that need neither torch nor mmengine: what is known of an image, what was found in it, and how it is grouped.

Letters: N instances, K keypoints, L tag dimensions, ``H, W`` pixels. Coordinates are pixels of the
original image; boxes are xyxy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, Literal, TypedDict, get_args

import numpy as np

from aemm.skeletons import Skeleton

ImageId = int | str
TagDistance = Literal["rms", "l2"]
AssignmentTie = Literal["solver", "munkres", "nearest"]
EqualTags = Literal["apart", "overwrite"]


class Mask(TypedDict):
    """A run-length encoded mask: ``size`` is ``[H, W]``, ``counts`` COCO's compressed run lengths as text."""

    size: list[int]
    counts: str


def _describe(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        kind = str(value.dtype).removeprefix("torch.")
        return f"{kind}{tuple(value.shape)}"
    if isinstance(value, list | tuple) and len(value) > 8:
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, list) and any(hasattr(v, "shape") for v in value):
        return "[" + ", ".join(_describe(v) for v in value) + "]"
    return repr(value)


class Record:
    """A dataclass that prints the shapes of its fields, not their contents."""

    def __repr__(self) -> str:
        """Name and shape of every field that is set."""
        named = ((f.name, getattr(self, f.name)) for f in fields(self) if f.repr)  # type: ignore[arg-type]
        body = ", ".join(f"{name}={_describe(value)}" for name, value in named if value is not None)
        return f"{type(self).__name__}({body})"


def check_shape(name: str, value: Any, shape: Sequence[int | None], hint: str = "") -> None:
    """Raise ``ValueError`` unless ``value`` has ``shape``; None stands for any length."""
    if not hasattr(value, "shape"):
        raise ValueError(f"{name} must be an array, got a {type(value).__name__}{'; ' + hint if hint else ''}")
    got, shape = tuple(value.shape), tuple(shape)
    if got == shape:
        return
    if len(got) != len(shape) or [w for w, g in zip(shape, got, strict=True) if w not in (None, g)]:
        want = ", ".join("*" if s is None else str(s) for s in shape)
        raise ValueError(f"{name} must have shape ({want}), got {got}{'; ' + hint if hint else ''}")


def check_choice(name: str, value: object, choices: object) -> None:
    """Raise ``ValueError`` unless ``value`` is one of a ``Literal``'s values."""
    known = get_args(choices)
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")


@dataclass(frozen=True)
class Group:
    """Where a group of people is, as MPII tells it at test time.

    Attributes:
        rectangle: x1, y1, x2, y2 around the members' positions, pixels.
        scale: mean height of the members / 200 px.
    """

    rectangle: tuple[float, float, float, float]
    scale: float


@dataclass(repr=False)
class Truth(Record):
    """What is known of one image, in original pixels and untouched by transforms; what is withheld is None.

    Attributes:
        image_id: the data set's own identifier.
        image_size: ``(height, width)`` of the image.
        part: the file that it came from, where a data set has several.
        keypoints: ``(N, K, 2)``; 0 where there is no point.
        visible: ``(N, K)`` 0 not annotated, 1 annotated but hidden, 2 visible.
        masks: N instance masks of ``image_size``.
        labels: ``(N,) int64`` class of each instance.
        area: ``(N,)`` square pixels, by which OKS and the sizes of instances are counted.
        boxes: ``(N, 4)`` xyxy.
        crowd: ``(N,) bool``: regions of many instances, which need not be found.
        void: pixels that belong to no class.
        head_sizes: ``(N,)`` pixels, the unit of PCKh.
        group: the group of people that the entry stands for.
        crowd_index: of the image, 0 to 1, as CrowdPose gives it.
        track_ids: ``(N,)`` identity over time.
    """

    image_id: ImageId
    image_size: tuple[int, int]
    part: str = ""
    keypoints: np.ndarray | None = None
    visible: np.ndarray | None = None
    masks: list[Mask] | None = None
    labels: np.ndarray | None = None
    area: np.ndarray | None = None
    boxes: np.ndarray | None = None
    crowd: np.ndarray | None = None
    void: Mask | None = None
    head_sizes: np.ndarray | None = None
    group: Group | None = None
    crowd_index: float | None = None
    track_ids: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check that every field speaks of the same N instances."""
        where = f"image {self.image_id}"
        if (self.keypoints is None) != (self.visible is None):
            raise ValueError(f"{where}: keypoints and visible come together or not at all")
        if self.keypoints is not None and self.visible is not None:
            check_shape("keypoints", self.keypoints, (None, None, 2), where)
            check_shape("visible", self.visible, self.keypoints.shape[:2], where)
        if self.boxes is not None:
            check_shape("boxes", self.boxes, (None, 4), where)
        for name in ("labels", "area", "crowd", "head_sizes", "track_ids"):
            if (value := getattr(self, name)) is not None:
                check_shape(name, value, (None,), where)
        _check_counts(where, self, _OF_TRUTH)
        for mask in (*(self.masks or ()), *([self.void] if self.void else ())):
            if tuple(mask["size"]) != tuple(self.image_size):
                raise ValueError(f"{where}: masks must be of size {list(self.image_size)}, got {mask['size']}")

    def __len__(self) -> int:
        """Number of instances, of which every field that is known speaks."""
        return next((len(value) for name in _OF_TRUTH if (value := getattr(self, name)) is not None), 0)

    @property
    def withheld(self) -> bool:
        """Whether nothing is known of the instances, as in a set for submissions."""
        return self.keypoints is None and self.masks is None

    def need_keypoints(self) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints ``(N, K, 2)`` and visibility ``(N, K)``.

        Raises:
            ValueError: they are withheld.
        """
        if self.keypoints is None or self.visible is None:
            raise ValueError(f"image {self.image_id}: its keypoints are withheld; there is nothing to measure against")
        return self.keypoints, self.visible

    def need_area(self) -> np.ndarray:
        """Areas ``(N,)``, square pixels.

        Raises:
            ValueError: they are withheld.
        """
        if self.area is None:
            raise ValueError(f"image {self.image_id}: areas are withheld; there is nothing to measure against")
        return self.area

    def need_head_sizes(self) -> np.ndarray:
        """Head sizes ``(N,)``, pixels.

        Raises:
            ValueError: there are none.
        """
        if self.head_sizes is None:
            raise ValueError(f"image {self.image_id}: head sizes are withheld; there is nothing to measure against")
        return self.head_sizes

    def need_masks(self) -> tuple[list[Mask], np.ndarray]:
        """Masks and labels ``(N,)``.

        Raises:
            ValueError: they are withheld.
        """
        if self.masks is None or self.labels is None:
            raise ValueError(f"image {self.image_id}: its masks are withheld; there is nothing to measure against")
        return self.masks, self.labels


_OF_TRUTH = ("keypoints", "visible", "masks", "labels", "area", "boxes", "crowd", "head_sizes", "track_ids")


@dataclass(repr=False)
class Instances(Record):
    """The instances found in one image; fields a task does not have are None.

    Attributes:
        image_id: the data set's own identifier.
        image_size: ``(height, width)`` of the original image.
        scores: ``(N,)``.
        tags: ``(N, L)`` reference tag of every instance.
        keypoints: ``(N, K, 2)`` in original image pixels.
        keypoint_scores: ``(N, K)``; 0 = keypoint absent, its coordinates are then 0.
        masks: N instance masks of the original size.
        labels: ``(N,)`` class of every instance.
        track_ids: ``(N,)`` identity over time.
    """

    image_id: ImageId
    image_size: tuple[int, int]
    scores: np.ndarray
    tags: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    keypoint_scores: np.ndarray | None = None
    masks: list[Mask] | None = None
    labels: np.ndarray | None = None
    track_ids: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check that every field lists the same N instances."""
        _check_counts(f"image {self.image_id}", self, _OF_INSTANCES)
        if self.keypoints is not None and self.keypoint_scores is not None:
            check_shape("keypoint_scores", self.keypoint_scores, self.keypoints.shape[:2])

    def __len__(self) -> int:
        """Number of instances."""
        return len(self.scores)

    def __getitem__(self, rows: np.ndarray | slice) -> Instances:
        """The chosen rows of every field."""
        chosen: dict[str, Any] = {}
        for name in _OF_INSTANCES:
            value = getattr(self, name)
            if isinstance(value, list):
                chosen[name] = [value[row] for row in np.arange(len(self))[rows]]
            else:
                chosen[name] = None if value is None else value[rows]
        return Instances(self.image_id, self.image_size, **chosen)

    def need_keypoints(self) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints ``(N, K, 2)`` and their scores ``(N, K)``.

        Raises:
            ValueError: there are none.
        """
        if self.keypoints is None or self.keypoint_scores is None:
            raise ValueError(
                f"image {self.image_id}: keypoints and keypoint_scores are needed, but the decoder returned none"
            )
        return self.keypoints, self.keypoint_scores

    def need_masks(self) -> tuple[list[Mask], np.ndarray]:
        """Masks and labels ``(N,)``.

        Raises:
            ValueError: there are none.
        """
        if self.masks is None or self.labels is None:
            raise ValueError(f"image {self.image_id}: masks and labels are needed, but the decoder returned none")
        return self.masks, self.labels

    def keypoint_rows(self) -> list[list[float]]:
        """Keypoints as COCO lists them, see :func:`coco_points`."""
        return coco_points(*self.need_keypoints()).tolist()

    def to_supervision(self) -> Any:
        """The instances for the library supervision, which draws, counts and tracks.

        Returns:
            ``KeyPoints`` where there are keypoints, with ``track_id`` among their data; else ``Detections`` with masks.

        Raises:
            ImportError: supervision is not installed.
            ValueError: there are neither keypoints nor masks.
        """
        try:
            library = import_module("supervision")
        except ImportError as error:
            raise ImportError(
                f'supervision cannot be imported ({error}). Install it by: pip install "aemm[supervision]"'
            ) from error
        labels = np.zeros(len(self), int) if self.labels is None else self.labels
        if self.keypoints is not None:
            points, scores = self.need_keypoints()
            return library.KeyPoints(
                xy=points.astype(np.float32),
                class_id=labels,
                keypoint_confidence=scores.astype(np.float32),
                detection_confidence=self.scores.astype(np.float32),
                visible=scores > 0,
                data={} if self.track_ids is None else {"track_id": self.track_ids},
            )
        height, width = self.image_size
        masks = np.zeros((len(self), height, width), bool)
        for row, mask in enumerate(self.need_masks()[0]):
            masks[row] = library.rle_to_mask(mask["counts"], (width, height))
        boxes = library.mask_to_xyxy(masks) if len(self) else np.zeros((0, 4))
        return library.Detections(boxes, masks, self.scores, labels, self.track_ids)


def coco_points(keypoints: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Keypoints of instances as COCO lists them: ``(N, 3 K) float64``, x, y, score, K times.

    An absent keypoint is written at the mean of those present, as the authors do: at (0, 0) it would
    stretch the area by which evaluators sort instances into medium and large.

    Args:
        keypoints: ``(N, K, 2)``.
        scores: ``(N, K)``; 0 = absent.
    """
    rows = np.concatenate([keypoints, scores[..., None]], axis=2).astype(float)
    lacking = np.flatnonzero(~(scores > 0).all(1))
    if len(lacking):
        present = (scores[lacking] > 0)[..., None]
        middle = (keypoints[lacking] * present).sum(1) / np.maximum(present.sum(1), 1)
        rows[lacking, :, :2] = np.where(present, keypoints[lacking], middle[:, None])
    return rows.reshape(len(scores), 3 * scores.shape[1])


def to_plain(found: Instances) -> dict[str, Any]:
    """Instances as json takes them: size of the image, and of each instance score, keypoints, mask, label, track.

    Keypoints are ``[x, y, score]``; masks stay run-length encoded.
    """
    rows: list[dict[str, Any]] = [{"score": float(score)} for score in found.scores]
    for i, row in enumerate(rows):
        if found.keypoints is not None:
            scores = np.ones(len(found.keypoints[i])) if found.keypoint_scores is None else found.keypoint_scores[i]
            row["keypoints"] = np.column_stack([found.keypoints[i], scores]).astype(float).round(4).tolist()
        if found.masks is not None:
            row["mask"] = found.masks[i]
        if found.labels is not None:
            row["label"] = int(found.labels[i])
        if found.track_ids is not None:
            row["track_id"] = int(found.track_ids[i])
    height, width = found.image_size
    return {"image_id": found.image_id, "height": int(height), "width": int(width), "instances": rows}


_OF_INSTANCES = ("scores", "tags", "keypoints", "keypoint_scores", "masks", "labels", "track_ids")


def _check_counts(where: str, record: Record, names: Sequence[str]) -> None:
    """Raise ``ValueError`` unless all the named fields that are set have one length."""
    counts = {name: len(value) for name in names if (value := getattr(record, name)) is not None}
    for name, count in counts.items():
        if count != next(iter(counts.values())):
            raise ValueError(f"{where}: {next(iter(counts.values()))} {next(iter(counts))} but {count} {name}")


@dataclass(frozen=True)
class GroupingRules:
    """How the peaks of one image become instances.

    Attributes:
        order: all K keypoints in the order in which they are taken up.
        tag_threshold: largest distance, exclusive, between a peak and the instance it joins.
        distance: 'rms' divides the squared distance by L under the root, 'l2' does not.
        max_matched: only this many instances, the first ones, can gain keypoints.
        stop_when_full: once that many exist, ignore every further keypoint instead of letting it
            start instances.
        tie: rounding makes different assignments cost the same. 'munkres' takes the one that the
            originals' solver finds, see :func:`aemm.ops.assignment.assign`; 'solver' the one of SciPy's,
            which is faster and nearly always the same; 'nearest' the one whose true distances, none
            counted beyond ``tag_threshold``, have the smallest sum.
        equal_tags: of peaks that start instances and agree in the first tag dimension to the last bit,
            such as those of a flat region: 'apart' keeps an instance for each; 'overwrite', as the
            originals do, keeps one, which forgets what was gathered before.

    Raises:
        ValueError: a field is out of range.
    """

    order: tuple[int, ...]
    tag_threshold: float = 1.0
    distance: TagDistance = "l2"
    max_matched: int = 30
    stop_when_full: bool = False
    tie: AssignmentTie = "solver"
    equal_tags: EqualTags = "apart"

    def __post_init__(self) -> None:
        """Check every field."""
        object.__setattr__(self, "order", tuple(int(k) for k in self.order))
        if sorted(self.order) != list(range(len(self.order))):
            raise ValueError(f"order must hold each of 0..{len(self.order) - 1} once, got {list(self.order)}")
        check_choice("distance", self.distance, TagDistance)
        check_choice("assignment_tie", self.tie, AssignmentTie)
        check_choice("equal_tags", self.equal_tags, EqualTags)
        if self.max_matched < 1:
            raise ValueError(f"max_matched must be at least 1, got {self.max_matched}")


@dataclass(frozen=True)
class DatasetInfo:
    """What a metric needs to know of a whole data set; it reaches it once, as mmengine's ``dataset_meta``.

    Attributes:
        name: what to call the set in messages.
        skeleton: the keypoint set; None where a task has no keypoints.
        classes: names of the classes, in the order of the labels.
        category_ids: of the classes in the files of the set, in the same order.
    """

    name: str = ""
    skeleton: Skeleton | None = None
    classes: tuple[str, ...] = ()
    category_ids: tuple[int | str, ...] = ()

    def __post_init__(self) -> None:
        """Check that every class has an identifier."""
        if len(self.classes) != len(self.category_ids):
            raise ValueError(
                f"{self.name or 'data set'}: every class needs a category id, got {len(self.classes)} classes and "
                f"{len(self.category_ids)} category_ids"
            )

    def need_skeleton(self, who: str) -> Skeleton:
        """The keypoint set.

        Args:
            who: asks, for the message.

        Raises:
            ValueError: the set has none.
        """
        if self.skeleton is None:
            raise ValueError(f"{who} needs keypoints, but {self.name or 'the data set'} has no skeleton")
        return self.skeleton
