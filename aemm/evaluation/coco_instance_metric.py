"""COCO's AP and AR of instance masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from terminaltables import AsciiTable

from aemm.evaluation.functional.coco import MASK_STATS, evaluate_masks, load_backend
from aemm.evaluation.instance_truth import (
    InstanceTruth,
    annotation_mask,
    by_image,
    check_dump,
    check_found,
    check_labels,
    read_truth,
    write_masks,
)
from aemm.ops.masks import mask_areas
from aemm.registry import METRICS
from aemm.structures import Instances


def _plain_truth(truth: InstanceTruth, number: dict[Any, int]) -> dict[str, Any]:
    """The fields that evaluators need, of the evaluated classes, with images and classes counted from 1."""
    label_of = {key: label for label, key in enumerate(truth.category_ids, 1)}
    size = {image["id"]: (image["height"], image["width"]) for image in truth.data["images"]}
    annotations: list[dict[str, Any]] = []
    for a in truth.data["annotations"]:
        if a["category_id"] not in label_of:
            continue
        mask = annotation_mask(a, size[a["image_id"]])
        annotations.append(
            dict(
                id=len(annotations) + 1,
                image_id=number[a["image_id"]],
                category_id=label_of[a["category_id"]],
                segmentation=mask,
                area=float(a["area"]) if "area" in a else float(mask_areas([mask])[0]),
                bbox=[float(v) for v in a.get("bbox", (0, 0, 0, 0))],
                iscrowd=int(a.get("iscrowd", 0)),
            )
        )
    images = [dict(id=number[key], height=height, width=width) for key, (height, width) in size.items()]
    names = [dict(id=label, name=name) for label, name in enumerate(truth.classes, 1)]
    return dict(images=images, annotations=annotations, categories=names)


@METRICS.register_module()
class CocoInstanceMetric(BaseMetric):
    """AP and AR over the overlap of masks, by the evaluators that also measure keypoints.

    Ground truth and classes are those of the data set that is evaluated. Only images that were
    predicted count.

    Args:
        ann_file: measure against this COCO-format file instead of the data set's own ground truth.
        backend: ``'hotcoco'``, ``'pycocotools'`` or ``'xtcocotools'``; they agree, the first is fastest.
        dump: write the predictions to this json file in COCO's result format.
        collect_device: where processes gather their results, ``'cpu'`` or ``'gpu'``.
        prefix: of the names in the log.
    """

    default_prefix = "segm"

    def __init__(
        self,
        ann_file: str | None = None,
        backend: str = "hotcoco",
        dump: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        load_backend(backend)
        check_dump(dump)
        self.ann_file, self.backend, self.dump = ann_file, backend, dump

    def process(self, data_batch: Any, data_samples: Sequence[Instances]) -> None:
        """Keep one entry for each image, masks as run lengths."""
        for found in data_samples:
            check_found(found, "CocoInstanceMetric")
            masks, labels = found.masks or [], found.labels.tolist()  # type: ignore[union-attr]
            rows = zip(masks, labels, found.scores.tolist(), strict=True)
            instances = [dict(segmentation=mask, label=label, score=score) for mask, label, score in rows]
            self.results.append(dict(image_id=found.image_id, instances=instances))

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """AP, AP50, AP75, APS, APM, APL, AR1, AR10, AR100, ARS, ARM, ARL over all images seen."""
        logger = MMLogger.get_current_instance()
        truth = read_truth(self.dataset_meta, self.ann_file, "CocoInstanceMetric")
        entries = by_image(results, truth.data)
        found = [(key, row) for key, entry in entries.items() for row in entry["instances"]]
        check_labels([row["label"] for _, row in found], truth)
        if self.dump:
            rows = [(key, row["segmentation"], row["label"], row["score"]) for key, row in found]
            write_masks(self.dump, rows, truth)
        if found:
            number = {image["id"]: n for n, image in enumerate(truth.data["images"], 1)}
            numbered = [
                dict(
                    image_id=number[key],
                    category_id=row["label"] + 1,
                    segmentation=row["segmentation"],
                    score=row["score"],
                )
                for key, row in found
            ]
            seen = [number[key] for key in entries]
            stats = evaluate_masks(_plain_truth(truth, number), numbered, seen, self.backend)
        else:
            logger.warning(
                f"no instance was found in any of the {len(entries)} images: AP is 0. Early in training this is "
                "normal; later, look at the heatmaps and at the decoder's threshold and min_cells"
            )
            stats = dict.fromkeys(MASK_STATS, 0.0)
        table = AsciiTable([list(stats), [f"{value:.4f}" for value in stats.values()]])
        logger.info(
            f"mask AP over {len(found)} instances in {len(entries)} images ({self.backend}; -1 = no ground truth of "
            f"that size)\n{table.table}"
        )
        return stats
