import pytest

from aemm.formats.image_folder import ImageFolder


def _files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("there", "names", "advice"),
    [
        (["a/1.png", "a/2.png"], ["a\\1.png", "a\\2.png"], "separates folders by a backslash; write / instead"),
        (["1.png", "2.png"], ["images/1.png", "images/2.png"], "file_name repeats the folder 'images'; set img_dir to"),
        (["1.png", "2.png"], ["train/1.png", "train/2.png"], "states a folder that is not there; leave it out"),
        (["train/1.png", "train/2.png"], ["1.png", "2.png"], "set img_dir to {folder}/train"),
        (["A.PNG", "b\u0308.png"], ["a.png", "\u1e03.png"], "1 of 2 would be found: their names are written in other"),
        (["1.jpg", "2.jpg"], ["1.png", "2.png"], "they have another ending"),
        (["3.png"], ["1.png", "2.png"], "set img_dir (and data_root) to the folder that file_name is relative to"),
        (
            ["b/1.png", "c/1.png", "c/2.png"],
            ["1.png", "2.png"],
            "all of them would be found: set img_dir to {folder}/c",
        ),
    ],
)
def test_the_layout_that_fits_best_is_advised(tmp_path, there, names, advice):
    folder = tmp_path / "images"
    folder.mkdir()
    _files(folder, *there)
    (fault,) = ImageFolder(str(folder)).faults(names)
    assert advice.format(folder=folder) in fault
    assert f"{len(names)} of {len(names)} files are not in {folder}; looked up: '{folder}/" in fault


def test_the_folder_above_is_tried(tmp_path):
    _files(tmp_path, "images/0.png", "train/1.png")
    (fault,) = ImageFolder(str(tmp_path / "images")).faults(["train/1.png"])
    assert f"all of them would be found: file_name is relative to the folder above; set img_dir to {tmp_path}" in fault


def test_of_thousands_eight_are_shown_and_counted(tmp_path):
    _files(tmp_path, "in/0.png")
    (fault,) = ImageFolder(str(tmp_path)).faults([f"{n}.png" for n in range(5000)])
    assert "5000 of 5000 files" in fault
    assert fault.count(".png") == 8
    assert "and 4992 more" in fault
    assert len(fault) < 1500
    assert len(ImageFolder(str(tmp_path)).faults([f"../{n}.png" for n in range(5000)])) == 9


def test_spellings_of_one_path_are_found(tmp_path):
    _files(tmp_path, "a/1.png", "\u00fc \u56fe.png")
    assert not ImageFolder(str(tmp_path)).faults(["a//1.png", "./a/1.png", "a/../a/1.png", "\u00fc \u56fe.png"])
    assert not ImageFolder(f"{tmp_path}//a/").faults(["1.png"])


def test_a_folder_that_is_not_there_is_named(tmp_path):
    (fault,) = ImageFolder(str(tmp_path / "none")).faults(["1.png"])
    assert f"the folder {tmp_path}/none does not exist; set img_dir" in fault
