import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from aemm.datasets import UnreadableImageError
from aemm.engine.launch import load_config, plain_errors, plain_message, run, set_work_dir, use_mixed_precision


class _Broken(Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise UnreadableImageError("image x.jpg cannot be decoded:\n  - a detail")


def test_an_error_of_a_worker_reads_like_one_of_the_main_process():
    with pytest.raises(UnreadableImageError) as caught:
        next(iter(DataLoader(_Broken(), num_workers=1)))
    assert "Original Traceback" in str(caught.value)
    assert plain_message(caught.value) == "image x.jpg cannot be decoded:\n  - a detail"
    assert plain_message(ValueError("plain: as it is")) == "plain: as it is"


def test_a_user_error_ends_with_its_message_and_exit_code_one(capsys, monkeypatch):
    monkeypatch.delenv("AEMM_TRACEBACK", raising=False)

    def fail():
        raise ValueError("size must be even, got 3")

    with pytest.raises(SystemExit) as caught:
        run(fail)
    assert caught.value.code == 1
    assert "error: size must be even, got 3" in capsys.readouterr().err
    monkeypatch.setenv("AEMM_TRACEBACK", "1")
    with pytest.raises(ValueError, match="got 3"), plain_errors():
        fail()


def test_a_fault_of_our_own_keeps_its_traceback():
    with pytest.raises(AssertionError), plain_errors():
        raise AssertionError


def test_the_work_dir_is_named_after_the_config(tmp_path, monkeypatch):
    path = "configs/synthetic/pose_hourglass_tiny_128.py"
    cfg = load_config(path)
    monkeypatch.chdir(tmp_path)
    set_work_dir(cfg, path, None)
    assert cfg.work_dir == "work_dirs/pose_hourglass_tiny_128"
    assert (tmp_path / cfg.work_dir).is_dir()


@pytest.mark.skipif(torch.cuda.is_available(), reason="only where there is no GPU")
def test_mixed_precision_without_a_gpu_is_refused():
    with pytest.raises(ValueError, match="needs a GPU"):
        use_mixed_precision(load_config("configs/synthetic/pose_hourglass_tiny_128.py"))
