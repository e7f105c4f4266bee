"""``compress`` as it is typed."""

import pytest

from piyard.cli.command import flag_arguments
from piyard.cli.compress_request import CompressRequest
from piyard.compress.method import CALIBRATIONS
from piyard.compress.methods import METHODS
from piyard.core.errors import WrongInput
from piyard.data.formats import DATA_FORMATS


def parse(**typed):
    return CompressRequest.parse({"model": "mobilenet_v2", **typed})


def test_values_in_their_units():
    request = parse(
        host=["emulated:rpi5"], max_latency="12ms", keep_accuracy="99%", ratio="50%", lr="1e-3"
    )
    assert (request.max_latency, request.keep_accuracy) == (12.0, 0.99)
    assert (request.ratio, request.lr) == (0.5, 1e-3)


@pytest.mark.parametrize(("typed", "expected"), [("12", 12.0), ("0.5s", 500.0), ("7.5 ms", 7.5)])
def test_times(typed, expected):
    assert parse(host=["emulated:rpi5"], max_latency=typed).max_latency == expected


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"model": ""}, "no model"),
        ({"max_latency": "12ms"}, "none is named"),
        ({"max_latency": "-1"}, "a time above 0"),
        ({"keep_accuracy": "120%"}, "up to 100%"),
        ({"ratio": "1"}, "between 0 and 1"),
        ({"ratio": "half"}, "takes a number"),
        ({"energy": "0"}, "between 0 and 1"),
        ({"lr": "nan"}, "above 0"),
        ({"lr": "inf"}, "above 0"),
        ({"epochs": "3", "steps": "10"}, "exclude each other"),
        ({"rank": "0"}, "rank"),
        ({"calibration": "guess"}, "unknown calibration"),
        ({"model": "mobilenet_v3"}, "unknown model"),
        ({"target": "rpi9"}, "unknown target"),
    ],
)
def test_a_mistake_is_one_line(typed, why):
    with pytest.raises(WrongInput, match=why):
        parse(**typed)


def test_a_rebuild_needs_no_model():
    assert CompressRequest.parse({"rebuild": "mobilenet_v2"}).rebuild == "mobilenet_v2"


@pytest.mark.parametrize(
    ("flag", "names"),
    [("--method", METHODS), ("--calibration", CALIBRATIONS), ("--data-format", DATA_FORMATS)],
)
def test_the_help_lists_all_that_may_be_named(flag, names):
    (text,) = [
        each.help
        for each in flag_arguments(CompressRequest)
        if each.help and each.spec.startswith(flag)
    ]
    words = text.replace(",", " ").replace(";", " ").split()
    assert [name for name in names if name not in words] == []
