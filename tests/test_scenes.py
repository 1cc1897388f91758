import torch

from cnn.data import _draw_digits, scenes

torch.manual_seed(0)
SQUARES = torch.zeros(3, 1, 28, 28)
SQUARES[:, :, 4:24, 4:24] = 1  # three "digits" that are filled squares of 20 × 20
CLASSES = torch.tensor([0, 1, 2])


def test_shapes_types_and_range():
    images, masks, layers = scenes(SQUARES, CLASSES, n=5)
    assert images.shape == (5, 1, 40, 40)
    assert masks.shape == layers.shape == (5, 40, 40)
    assert images.dtype == torch.float32
    assert masks.dtype == torch.int64
    assert images.min() >= 0
    assert images.max() <= 1
    assert masks.unique().tolist() == [0, 1, 2, 3]


def test_seeded():
    first, again = scenes(SQUARES, CLASSES, 4, seed=1), scenes(SQUARES, CLASSES, 4, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    other = scenes(SQUARES, CLASSES, 4, seed=2)
    assert not torch.equal(first[1], other[1])


def test_a_digit_at_its_own_size_is_copied():
    digit = torch.rand(1, 1, 28, 28)
    centre, scale = torch.tensor([[20.0, 30.0]]), torch.ones(1, 1)
    cover = _draw_digits(digit, centre, scale, size=48)[0]
    assert torch.allclose(cover[16:44, 6:34], digit[0, 0], atol=1e-4)
    cover[16:44, 6:34] = 0
    assert cover.abs().max() < 1e-4


def test_a_smaller_digit_has_the_area_of_its_scale():
    cover = _draw_digits(SQUARES[:1], torch.tensor([[24.0, 24.0]]), torch.full((1, 1), 0.8), 48)
    assert (cover > 0.5).sum() == (0.8 * 20) ** 2


def test_without_clutter_and_noise_the_mask_is_where_the_ink_is():
    images, masks, layers = scenes(SQUARES, CLASSES, 20, max_digits=2, n_arcs=0, noise=0)
    assert (images[:, 0][masks > 0] > 0.25).all()
    assert (images[:, 0][layers == 0] <= 0.76).all(), "1 − 0.5², where both fill half of it"
    assert torch.equal(masks > 0, layers > 0)


def test_the_digit_in_front_covers_the_others():
    """Within one class only the partly filled pixels of its border differ in their grey value."""
    images, masks, layers = scenes(SQUARES, CLASSES, 300, max_digits=2, n_arcs=0, noise=0)
    crossed = 0
    for image, mask, layer in zip(images[:, 0], masks, layers):
        classes = [c for c in (1, 2, 3) if (mask == c).any()]
        if len(classes) < 2 or (layer == 2).sum() < 50:
            continue
        crossed += 1
        owners = mask[layer == 2].unique()
        assert len(owners) == 1, "one of the two is in front wherever they cross"
        inside = image[layer == 2]
        grey = image[(mask == owners) & (layer == 1)].median()
        assert (inside.median() - grey).abs() < 1e-5
    assert crossed > 10


def test_arcs_are_background():
    _, without, _ = scenes(SQUARES, CLASSES, 10, n_arcs=0)
    _, masks, layers = scenes(SQUARES, CLASSES, 10, n_arcs=6)
    assert ((masks == 0) & (layers > 0)).any()
    assert (without > 0).any()


def test_digits_stay_inside():
    _, masks, _ = scenes(SQUARES, CLASSES, 50, n_arcs=0)
    areas = (masks > 0).sum(dim=(1, 2))
    assert areas.min() >= (0.6 * 20) ** 2
    assert areas.max() <= 3 * 20**2
