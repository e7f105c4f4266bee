"""Decoding in numpy against what the originals decode themselves."""

import re

import numpy as np
import pytest
import torch

from piyard.models.architectures.classifiers import torchvision_models
from piyard.vision.head_schema import Fcos, Yolov8
from piyard.vision.overlap import box_area, mask_iou
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import prepare_picture
from piyard.vision.schema import Letterbox
from piyard.vision.tasks.detect import DETECT
from piyard.vision.tasks.pose import POSE
from piyard.vision.tasks.segment import SEGMENT
from piyard.vision.transforms import AxisTransform, ImageTransform

SIZE = (640, 640)
HOW = Letterbox(order="rgb", mean=(0.0, 0.0, 0.0), norm=(1 / 255, 1 / 255, 1 / 255))
ALL = Yolov8(score=0.05, nms=1.0, most=10_000)
AS_IT_IS = ImageTransform(
    size=SIZE, x=AxisTransform(length=640, scaled=640), y=AxisTransform(length=640, scaled=640)
)


def raw_and_decoded(path, values):
    """Outputs of the last convolutions, level by level; then what the graph makes of them."""
    import onnx
    import onnxruntime

    graph = onnx.load(path)
    named = {name: name for node in graph.graph.node for name in node.output}
    last = [
        name
        for level in range(3)
        for part in ("cv2", "cv3", "cv4")
        for name in named
        if re.fullmatch(rf"/model.23/{part}.{level}/{part}.{level}.2/Conv_output_0", name)
    ]
    result = [each.name for each in graph.graph.output]
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in last)
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    outcome = session.run([*last, *result], {session.get_inputs()[0].name: values[None]})
    arrays = [each[0] for each in outcome]
    return arrays[: len(last)], arrays[len(last) :]


@pytest.fixture
def bus(mirror):
    return prepare_picture(read_picture(mirror / "data" / "bus.jpg"), HOW, SIZE)


def corners(boxes):
    """Of x, y, width, height, clipped to the input."""
    centre, half = boxes[:, :2], boxes[:, 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=1).clip(0, 640)


def test_poses_are_those_that_yolo11s_own_graph_decodes(mirror, bus):
    raw, (result,) = raw_and_decoded(mirror / "weights" / "yolo" / "yolo11n-pose.onnx", bus)
    objects = POSE.decode(ALL, raw, SIZE, AS_IT_IS)
    result = result.T[result[4] >= ALL.score]
    result = result[np.argsort(-result[:, 4], kind="stable")]
    assert len(objects) == len(result) > 20
    assert np.allclose([item.score for item in objects], result[:, 4], atol=1e-5)
    assert np.allclose([item.box for item in objects], corners(result), atol=0.01)
    points = result[:, 5:].reshape(-1, 17, 3)
    for each, expected in zip(objects, points, strict=True):
        assert each.keypoints is not None
        assert np.allclose(each.keypoints, expected, atol=0.01)


def test_masks_are_those_of_two_resamplings(mirror, bus):
    """As YOLO's authors do it: sigmoid, to the input's size, cut by the box."""
    raw, (result, prototypes) = raw_and_decoded(
        mirror / "weights" / "yolo" / "yolo11n-seg.onnx", bus
    )
    objects = SEGMENT.decode(Yolov8(), [*raw, prototypes], SIZE, AS_IT_IS)
    assert len(objects) == 5
    for each in objects:
        (place,) = np.flatnonzero(np.abs(result[4:84].max(axis=0) - each.score) < 1e-6)
        expected = official(result[84:, place], prototypes, each.box)
        assert each.mask is not None
        assert mask_iou(each.mask, expected) > 0.99


def official(coefficients, prototypes, box):
    small = torch.from_numpy(np.tensordot(coefficients, prototypes, 1))[None, None].sigmoid()
    large = torch.nn.functional.interpolate(small, SIZE, mode="bilinear")[0, 0].numpy()
    x0, y0, x1, y1 = map(round, box)
    inside = np.zeros(SIZE, np.bool_)
    inside[y0:y1, x0:x1] = True
    return (large > 0.5) & inside


def best_first(_boxes, scores, _labels, _threshold):
    """In place of suppression, whose compiled operator a wheel of torchvision may lack."""
    return torch.argsort(scores, descending=True, stable=True)


@pytest.mark.parametrize("seed", range(5))
def test_fcos_is_torchvisions(monkeypatch, seed):
    torchvision_models()
    from torchvision.models.detection import fcos
    from torchvision.models.detection.image_list import ImageList

    monkeypatch.setattr(fcos.box_ops, "batched_nms", best_first)
    strides, classes, size = (8, 16, 32), 4, (128, 192)
    backbone = torch.nn.Conv2d(3, 32, 1)  # not run, but has the number of channels
    anchors = fcos.AnchorGenerator(tuple((stride,) for stride in strides), ((1.0,),) * 3)
    model = fcos.FCOS(
        backbone, classes, anchor_generator=anchors, score_thresh=0.3, topk_candidates=10_000
    )
    model.detections_per_img = 10_000
    rng = torch.Generator().manual_seed(seed)
    shapes = [(classes + 5, size[0] // stride, size[1] // stride) for stride in strides]
    maps = [torch.randn(shape, generator=rng) for shape in shapes]
    rows = [each.flatten(1).T[None] for each in maps]
    heads = {
        "cls_logits": [row[..., :classes] for row in rows],
        "bbox_regression": [row[..., classes:-1].relu() for row in rows],  # as FCOSRegressionHead
        "bbox_ctrness": [row[..., -1:] for row in rows],
    }
    there = anchors(ImageList(torch.zeros(1, 3, *size), [size]), [each[None] for each in maps])
    levels = [list(there[0].split([row.shape[1] for row in rows]))]
    (result,) = model.postprocess_detections(heads, levels, [size])
    has_area = torch.from_numpy(box_area(result["boxes"].double().numpy()) > 0)

    head = Fcos(strides=strides, score=0.3, nms=1.0, most=10_000)
    at = ImageTransform(
        size=size[::-1],
        x=AxisTransform(length=192, scaled=192),
        y=AxisTransform(length=128, scaled=128),
    )
    objects = DETECT.decode(head, [each.numpy() for each in maps], size, at)
    assert len(objects) > 500
    assert [each.class_ for each in objects] == result["labels"][has_area].tolist()
    assert np.allclose([each.score for each in objects], result["scores"][has_area], atol=1e-6)
    assert np.allclose([each.box for each in objects], result["boxes"][has_area], atol=1e-3)
