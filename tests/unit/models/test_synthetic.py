import numpy as np

from piyard.models import synthetic
from piyard.models.synthetic import random_tensor

MASK = (1 << 64) - 1


def splitmix64(seed: int, count: int) -> list[int]:
    """Vigna's splitmix64.c, word for word."""
    state, numbers = seed, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        numbers.append(z ^ (z >> 31))
    return numbers


def test_numbers_are_those_of_the_published_generator():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert splitmix64(1234567, 3) == published
    assert synthetic.splitmix64(3, 1234567).tolist() == published


def test_numbers_agree_with_the_plain_loop():
    for seed in (0, 1, MASK):
        assert synthetic.splitmix64(500, seed).tolist() == splitmix64(seed, 500)


def test_values_follow_the_agreed_formula():
    expected = [float(np.float32(z >> 40) * 2.0**-24 * 2 - 1) for z in splitmix64(1, 24)]
    result = random_tensor((2, 3, 4))
    assert result.dtype == np.float32
    assert result.shape == (2, 3, 4)
    assert result.ravel().tolist() == expected


def test_values_fill_the_range():
    result = random_tensor((3, 64, 64))
    assert -1 <= result.min() < -0.999 < 0.999 < result.max() < 1
    assert abs(result.mean()) < 0.02


def test_element_zero_is_what_a_board_prints():
    assert (
        random_tensor((1,)).tobytes().hex()
        == np.float32((splitmix64(1, 1)[0] >> 40) * 2.0**-23 - 1).tobytes().hex()
    )
