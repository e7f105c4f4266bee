"""Models that ship are described as their authors do, and every file's values fit together.

A new file needs no line here: what it must fulfil is asked of each file, families of ``SHIPPED``.
"""

import re

import pytest

from piyard.models.definition import label_list_path, load_model, model_names, read_labels
from piyard.models.networks import NETWORK_NAMES
from piyard.vision.head_schema import Fcos, Heatmap, Nanodet, Rtmdet, Simcc, Yolov8, Yolox
from piyard.vision.schema import (
    BytetrackConfig,
    Crop,
    Letterbox,
    NanotrackConfig,
    ObjectCrop,
    Stretch,
)

SHIPPED = {
    "classify": "resnet18 resnet50 mobilenet_v2 squeezenet1_1 shufflenet_v2",
    "detect": "yolov8_n yolov8_s yolo26_n yolox_nano yolox_nano_onnx yolox_tiny yolox_s fcos "
    "nanodet rtmdet_nano_person",
    "segment": "yolov8_n_seg yolov8_s_seg yolo11_n_seg",
    "pose": "rtmpose_t rtmpose_s yolov8_n_pose yolo11_n_pose simplepose",
    "obb": "yolo11_n_obb",
    "track": "bytetrack yolov8_n_bytetrack nanotrack",
}
HEADS = {
    Yolov8: r"yolov8_|yolo11_|yolo26_",
    Yolox: r"yolox_|bytetrack",
    Nanodet: r"nanodet",
    Rtmdet: r"rtmdet_",
    Fcos: r"fcos",
    Simcc: r"rtmpose_",
    Heatmap: r"simplepose",
}
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""ImageNet's, of red, green and blue."""


SHIPPED_NAMES = sorted(" ".join(SHIPPED.values()).split())


@pytest.fixture(params=SHIPPED_NAMES)
def shipped(request):
    return request.param


@pytest.fixture(params=model_names())
def name(request):
    return request.param


@pytest.mark.parametrize("task", SHIPPED)
def test_every_row_of_the_table_is_there(task):
    there = {name for name in model_names() if load_model(name).task == task}
    assert there >= set(SHIPPED[task].split())


def test_weights_say_whose_they_are(name):
    read = load_model(name)
    for file in (*read.weights, *read.parts.values()):
        assert file.source
        assert file.licence
        assert file.dataset
        assert file.url.startswith("https://") or (file.sha256 and not file.url)
    assert not (read.published.params and not read.published.source)


def test_a_digest_that_a_name_tells_is_the_one_given(name):
    """torchvision, mmpose and others put the first digits into the file's name."""
    for file in load_model(name).weights:
        for result in re.findall(r"-([0-9a-f]{8,10})[._]", file.url):
            assert file.published_digest.startswith(result[:8])


@pytest.mark.parametrize("host", ["Megvii", "ultralytics", "pytorch", "openmmlab", "ByteTrack"])
def test_the_official_publisher_comes_first(host):
    request = [load_model(name) for name in model_names()]
    result = [read.weights[0].url + read.weights[0].source for read in request]
    assert any(host in each for each in result)


def test_what_stays_at_one_address_is_pinned_there(name):
    """A branch of a repository may change; a commit cannot."""
    for file in load_model(name).weights:
        if "raw.githubusercontent.com" in file.url:
            assert re.search(r"/[0-9a-f]{40}/", file.url)
            assert file.sha256


def test_labels_are_what_the_head_counts():
    assert len(read_labels(load_model("yolov8_n"))) == 80
    assert len(set(read_labels(load_model("yolov8_n")))) == 80
    assert read_labels(load_model("bytetrack")) == ["person"]
    assert read_labels(load_model("yolov8_n"))[0] == "person"


def test_the_91_places_of_fcos_are_cocos_own_numbers():
    """torchvision's detectors count COCO's category numbers, with those that were never used."""
    places = read_labels(load_model("fcos"))
    used = [place for place in places if place not in {"__background__", "N/A"}]
    assert len(places) == 91
    assert used == read_labels(load_model("yolov8_n"))
    numbers = {places.index(each): each for each in used}
    assert {1: "person", 13: "stop sign", 44: "bottle", 90: "toothbrush"}.items() <= numbers.items()


def test_keypoints_are_cocos():
    points = label_list_path("coco_keypoints").read_text().splitlines()
    assert len(points) == 17
    assert points[0] == "nose"
    sides = [point for point in points if point.startswith("left_")]
    assert [side.replace("left", "right") for side in sides] == points[2::2]


def test_heads_are_the_networks(shipped):
    read = load_model(shipped)
    if read.head is None:
        assert read.task == "classify" or isinstance(read.tracker, NanotrackConfig)
    else:
        assert re.match(HEADS[type(read.head)], shipped)


def test_inputs_fit_the_strides(name):
    read = load_model(name)
    strides = getattr(read.head, "strides", (1,))
    assert all(side % max(strides) == 0 for side in read.input[1:])


def test_onnx_rows_are_cut_where_something_is_decoded(shipped):
    read = load_model(shipped)
    decoded = read.network == "onnx" and read.task in {"detect", "segment"}
    assert bool(read.cut) == (decoded or shipped == "yolo11_n_pose")
    if read.cut:
        blobs = len(read.cut) - (read.task == "segment")
        assert blobs % len(getattr(read.head, "strides", ())) == 0
        assert len(set(read.cut)) == len(read.cut)


def test_a_detector_of_persons_looks_for_poses():
    for name in SHIPPED["pose"].split():
        read = load_model(name)
        assert bool(read.detector) == isinstance(read.preprocess, ObjectCrop)
        if read.detector:
            finds = load_model(read.detector)
            assert finds.task == "detect"
            assert read_labels(finds)[0] == "person"


def test_trackers():
    assert isinstance(load_model("nanotrack").tracker, NanotrackConfig)
    for name in ("bytetrack", "yolov8_n_bytetrack"):
        read = load_model(name)
        assert isinstance(read.tracker, BytetrackConfig)
        assert isinstance(read.head, Yolov8 | Yolox)
        assert read.head.score <= read.tracker.low, "the second association needs the weak ones"


def test_preprocessing_is_the_authors(shipped):
    """ImageNet's mean and deviation, a division by 255, or nothing: in the network's own order."""
    how = load_model(shipped).preprocess
    swapped = how.order == "bgr"
    mean, norm = (each[::-1] if swapped else each for each in (how.mean, how.norm))
    if re.match(r"yolov8|yolo11|yolo26", shipped):
        assert list(mean) == [0, 0, 0]
        assert norm == pytest.approx([1 / 255] * 3, rel=1e-14)
    elif re.match(r"yolox|nanotrack", shipped):
        assert (mean, norm) == ((0, 0, 0), (1, 1, 1))
        assert swapped
    else:
        assert mean == pytest.approx(MEAN, rel=1e-14)
        assert norm == pytest.approx([1 / each for each in STD], rel=1e-14)
        assert swapped == (shipped in {"nanodet", "rtmdet_nano_person"})


def test_how_the_picture_is_laid_in(shipped):
    read = load_model(shipped)
    how = read.preprocess
    match how:
        case Letterbox():
            at_corner = re.match(r"yolox|bytetrack|rtmdet|fcos", shipped) is not None
            assert how.place == ("topleft" if at_corner else "centre")
            filled = {"fcos": (124, 116, 104), "nanodet": (0, 0, 0)}
            assert how.pad == filled.get(shipped, (114, 114, 114))
        case ObjectCrop():
            assert how.padding == 1.25
        case Crop():
            assert read.task == "classify"
        case Stretch():
            assert shipped == "nanotrack"


def test_nanotrack_looks_with_one_net_and_compares_with_another():
    read = load_model("nanotrack")
    assert isinstance(read.tracker, NanotrackConfig)
    assert set(read.parts) == {"head"}
    assert read.input[1:] == (read.tracker.search,) * 2
    assert read.dynamic == (read.tracker.template,) * 2


def test_every_network_of_a_row_is_known():
    used = {load_model(name).network for name in SHIPPED_NAMES}
    assert used - NETWORK_NAMES == {"onnx"}
