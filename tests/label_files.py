"""One scene of people, written as the files of several labelling tools."""

import json
from dataclasses import dataclass

import cv2
import numpy as np
import yaml

KEYPOINTS = ("beak", "left_wing", "right_wing", "tail")
KIND = "bird"


@dataclass
class Shot:
    """An image ``name`` of ``(height, width)``; of each bird the points ``{name: (x, y, visible)}`` and a box."""

    name: str
    size: tuple[int, int]
    birds: list[tuple[dict, tuple]]


def draw_scene(rng, images=3, most=3):
    """Images with birds that stand apart, so that boxes hold nobody else's points."""
    shots = []
    for n in range(images):
        birds = []
        for place in range(int(rng.integers(0, most + 1)) if n else most):
            left, top = 2 + 60 * place + float(rng.integers(0, 8)), float(rng.integers(1, 8))
            spots = rng.permutation(40 * 50)[: len(KEYPOINTS)]
            seen = rng.choice([0, 1, 2], len(KEYPOINTS), p=[0.2, 0.2, 0.6])
            seen[0] = 2
            points = {
                name: (left + 3 + spot % 40 + 0.25, top + 3 + spot // 40 + 0.5, int(v))
                for name, spot, v in zip(KEYPOINTS, spots, seen, strict=True)
                if v
            }
            birds.append((points, (left, top, 46.0, 56.0)))
        shots.append(Shot(f"shot{n}.png", (70, 200), birds))
    return shots


def draw_images(folder, shots):
    folder.mkdir(parents=True, exist_ok=True)
    for shot in shots:
        cv2.imwrite(str(folder / shot.name), np.zeros((*shot.size, 3), np.uint8))


def write_yolo(root, shots):
    draw_images(root / "images" / "train", shots)
    (root / "labels" / "train").mkdir(parents=True)
    for shot in shots:
        height, width = shot.size
        lines = []
        for points, (x, y, w, h) in shot.birds:
            values = [0, (x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
            for name in KEYPOINTS:
                px, py, v = points.get(name, (0, 0, 0))
                values += [px / width, py / height, v]
            lines.append(" ".join(f"{value:.17g}" for value in values))
        (root / "labels" / "train" / shot.name).with_suffix(".txt").write_text("\n".join(lines))
    about = dict(path=str(root), train="images/train", names={0: KIND}, kpt_shape=[4, 3], flip_idx=[0, 2, 1, 3])
    about["kpt_names"] = {0: list(KEYPOINTS)}
    (root / "data.yaml").write_text(yaml.safe_dump(about))
    return root / "data.yaml"


def write_labelme(root, shots):
    draw_images(root, shots)
    for shot in shots:
        shapes = []
        for group, (points, (x, y, w, h)) in enumerate(shot.birds):
            shapes.append(dict(label=KIND, shape_type="rectangle", group_id=group, points=[[x, y], [x + w, y + h]]))
            for name, (px, py, v) in points.items():
                flags = {"occluded": v == 1}
                shapes.append(dict(label=name, shape_type="point", group_id=group, points=[[px, py]], flags=flags))
        data = dict(version="5.4.1", imagePath=shot.name, imageHeight=shot.size[0], imageWidth=shot.size[1])
        (root / shot.name).with_suffix(".json").write_text(json.dumps(data | {"shapes": shapes, "imageData": None}))
    return root


def write_label_studio(root, shots):
    draw_images(root, shots)
    tasks = []
    for number, shot in enumerate(shots, 1):
        height, width = shot.size
        result = []

        def add(key, kind, value, parent=None, size=(width, height), result=result):
            one = dict(id=key, type=kind, value=value, original_width=size[0], original_height=size[1])
            result.append(one | dict(image_rotation=0, to_name="image") | ({"parentID": parent} if parent else {}))

        for n, (points, (x, y, w, h)) in enumerate(shot.birds):
            box = dict(x=100 * x / width, y=100 * y / height, width=100 * w / width, height=100 * h / height)
            add(f"box{n}", "rectanglelabels", box | dict(rotation=0, rectanglelabels=[KIND]))
            for name, (px, py, v) in points.items():
                key = f"{name}{n}"
                value = dict(x=100 * px / width, y=100 * py / height, width=0.5, keypointlabels=[name])
                add(key, "keypointlabels", value, f"box{n}")
                if v == 1:
                    result.append(dict(id=key, type="choices", value={"choices": ["Occluded"]}))
        address = f"/data/upload/1/{'0123abcd-' if number == 1 else ''}{shot.name}"
        done = dict(id=number, was_cancelled=False, result=result)
        tasks.append(dict(id=number, data={"image": address}, annotations=[done]))
    (root / "export.json").write_text(json.dumps(tasks))
    return root / "export.json"


def write_cvat(root, shots, skeletons=True):
    draw_images(root / "images", shots)
    children = "".join(
        f"<label><name>{name}</name><type>points</type><parent>{KIND}</parent></label>" for name in KEYPOINTS
    )
    nodes = "".join(f'<circle data-node-id="{n}" data-label-name="{name}"/>' for n, name in enumerate(KEYPOINTS, 1))
    svg = f'<line data-type="edge" data-node-from="1" data-node-to="4"/>{nodes}'.replace("<", "&lt;")
    whole = f"<label><name>{KIND}</name><type>skeleton</type><svg>{svg.replace('>', '&gt;')}</svg></label>"
    labels = f"<labels>{whole}{children}</labels>" if skeletons else "<labels/>"
    body = []
    for number, shot in enumerate(shots):
        shapes = []
        for n, (points, (x, y, w, h)) in enumerate(shot.birds, 1):
            marks = [
                f'<points label="{name}" occluded="{int(v == 1)}" outside="0" points="{px},{py}" group_id="{n}"/>'
                for name, (px, py, v) in points.items()
            ]
            marks += [
                f'<points label="{k}" outside="1" points="0,0"/>' for k in KEYPOINTS if skeletons and k not in points
            ]
            box = f'<box label="{KIND}" xtl="{x}" ytl="{y}" xbr="{x + w}" ybr="{y + h}" group_id="{n}"/>'
            joined = "".join(marks)
            shapes.append(f'<skeleton label="{KIND}" z_order="0">{joined}</skeleton>' if skeletons else joined + box)
        size = f'width="{shot.size[1]}" height="{shot.size[0]}"'
        body.append(f'<image id="{number}" name="{shot.name}" {size}>{"".join(shapes)}</image>')
    head = f"<version>1.1</version><meta><task>{labels}</task></meta>"
    text = f'<?xml version="1.0" encoding="utf-8"?><annotations>{head}{"".join(body)}</annotations>'
    (root / "annotations.xml").write_text(text)
    return root / "annotations.xml"


def write_cvat_points(root, shots):
    return write_cvat(root, shots, skeletons=False)


def write_coco_points(root, shots):
    draw_images(root, shots)
    names = [*KEYPOINTS, KIND]
    images, rows = [], []
    for number, shot in enumerate(shots, 1):
        images.append(dict(id=number, file_name=shot.name, height=shot.size[0], width=shot.size[1]))
        for n, (points, box) in enumerate(shot.birds):
            base = dict(image_id=number, group_id=n + 10 * number)
            for name, (x, y, v) in points.items():
                point = dict(category_id=names.index(name), keypoints=[x, y, v], num_keypoints=1, bbox=[x, y, 0, 0])
                rows.append(base | point | {"id": len(rows)})
            rows.append(base | dict(category_id=names.index(KIND), bbox=list(box), id=len(rows)))
    categories = [dict(id=n, name=name) for n, name in enumerate(names)]
    (root / "points.json").write_text(json.dumps(dict(images=images, annotations=rows, categories=categories)))
    return root / "points.json"


def write_sleap(root, shots):
    import sleap_io

    draw_images(root, shots)
    skeleton = sleap_io.Skeleton(list(KEYPOINTS), edges=[("beak", "tail")], symmetries=[("left_wing", "right_wing")])
    video = sleap_io.Video.from_filename([str(root / shot.name) for shot in shots])
    frames = []
    for n, shot in enumerate(shots):
        rows = [[points.get(name, (np.nan, np.nan))[:2] for name in KEYPOINTS] for points, _ in shot.birds]
        birds = [sleap_io.Instance.from_numpy(np.array(row, float), skeleton=skeleton) for row in rows]
        frames.append(sleap_io.LabeledFrame(video=video, frame_idx=n, instances=birds))
    sleap_io.Labels(frames).save(str(root / "labels.slp"), verbose=False)
    return root / "labels.slp"


def write_deeplabcut(root, shots):
    draw_images(root / "labeled-data" / "flock", shots)
    most = max(len(shot.birds) for shot in shots)
    animals = [f"bird{n}" for n in range(most)]
    columns = [(animal, name, axis) for animal in animals for name in KEYPOINTS for axis in "xy"]
    lines = [
        ",".join([head, "", "", *(str(value) for value in values)])
        for head, values in (
            ("scorer", ["me"] * len(columns)),
            ("individuals", [animal for animal, _, _ in columns]),
            ("bodyparts", [name for _, name, _ in columns]),
            ("coords", [axis for _, _, axis in columns]),
        )
    ]
    for shot in shots:
        values = []
        for animal, name, axis in columns:
            number = int(animal.removeprefix("bird"))
            points = shot.birds[number][0] if number < len(shot.birds) else {}
            values.append(str(points[name]["xy".index(axis)]) if name in points else "")
        lines.append(",".join(["labeled-data", "flock", shot.name, *values]))
    path = root / "labeled-data" / "flock" / "CollectedData_me.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


WRITERS = {
    "yolo-pose": write_yolo,
    "labelme": write_labelme,
    "label-studio": write_label_studio,
    "cvat": write_cvat,
    "cvat-points": write_cvat_points,
    "coco-points": write_coco_points,
}
OF_SLEAP_IO = {"sleap": write_sleap, "deeplabcut": write_deeplabcut}
