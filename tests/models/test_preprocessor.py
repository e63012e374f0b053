"""Images on their way into the network."""

import numpy as np
import pytest
import torch

from aemm.models import Preprocessor
from aemm.structures import Batch

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("stacked", [False, True])
def test_pixels_are_normalised_alike_in_every_layout(channels_last, stacked):
    pixels = np.arange(2 * 3 * 16 * 24, dtype=np.uint8).reshape(2, 16, 24, 3)
    image = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    image = image.contiguous() if stacked else image
    preprocess = Preprocessor(MEAN, STD, channels_last)
    (found,) = preprocess(Batch([image], [0, 1], [(16, 24)] * 2, np.eye(3)[None].repeat(2, 0)))["batch"].images
    expected = (image.float() - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    assert torch.equal(found, expected)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert found.is_contiguous(memory_format=layout)


def test_images_of_floats_and_weights_of_16_bits_are_normalised_too():
    image = torch.rand(1, 3, 8, 8) * 255
    batch = Batch([image], [0], [(8, 8)], np.eye(3)[None])
    (found,) = Preprocessor(MEAN, STD, True)(batch)["batch"].images
    torch.testing.assert_close(found, (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
    batch = Batch([image.to(torch.uint8)], [0], [(8, 8)], np.eye(3)[None])
    assert Preprocessor(MEAN, STD, True).to(torch.bfloat16)(batch)["batch"].images[0].dtype == torch.bfloat16
