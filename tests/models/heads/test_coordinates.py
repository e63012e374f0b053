import pytest
import torch

from aemm.models.heads import AEHead
from aemm.ops.tags import add_coordinates


def test_coordinates_are_those_of_the_cells_and_the_longer_side_spans_the_scale():
    tags = add_coordinates(torch.zeros(2, 3, 3, 4, 8), scale=16.0)
    assert tags.shape == (2, 3, 3, 4, 8)
    x, y = tags[1, 2, 0], tags[1, 2, 1]
    assert x[0].tolist() == [-7, -5, -3, -1, 1, 3, 5, 7]
    assert (x == x[0]).all()
    assert y[:, 0].tolist() == [-3, -1, 1, 3]
    assert (tags[:, :, 2] == 0).all()


@pytest.mark.parametrize("project", [True, False])
def test_equal_features_get_equal_tags_unless_coordinates_are_added(project):
    def tags(coordinate_scale):
        torch.manual_seed(0)
        arguments = dict(num_heatmaps=2, in_channels=[8], tag_dims=2, project=project)
        head = AEHead(**arguments, coordinate_scale=coordinate_scale)
        return head((torch.ones(1, 8, 6, 6),))[0].tags[0].detach()

    plain, placed = tags(None), tags(4.0)
    assert (plain == plain[..., :1, :1]).all()
    torch.testing.assert_close(placed, add_coordinates(plain[None], 4.0)[0])
    flat = placed[0].flatten(1).T
    assert torch.cdist(flat, flat).fill_diagonal_(1).min() > 0.5


def test_gradients_reach_the_features_through_the_coordinates():
    head = AEHead(num_heatmaps=1, in_channels=[4], tag_dims=2, coordinate_scale=2.0)
    feature = torch.randn(1, 4, 5, 5, requires_grad=True)
    head((feature,))[0].tags.square().sum().backward()
    assert feature.grad.abs().sum() > 0


@pytest.mark.parametrize("wrong", [dict(tag_dims=1, coordinate_scale=1.0), dict(tag_dims=2, coordinate_scale=0.0)])
def test_coordinates_need_two_dimensions_and_a_positive_scale(wrong):
    with pytest.raises(ValueError, match="coordinate_scale adds x and y to tags of tag_dims >= 2"):
        AEHead(num_heatmaps=1, in_channels=[4], **wrong)
