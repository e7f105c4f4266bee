"""What a user says of a file in these tests."""

import torch
from torch import nn

from piyard.cli.own_models import add_model
from piyard.convert.own.defaults import OwnModelOptions

CLASSES = 5


def network():
    torch.manual_seed(12)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)
    ).eval()


def ask(file, names, **more):
    result = {"name": "mine", "task": "classify", "size": "3,32,32", "labels": str(names)}
    return OwnModelOptions(file=file, **(result | more))


def as_detector(file, labels, **more):
    result = {"task": "detect", "head": "yolox", "size": "3,64,64", "cut": ["raw0", "raw1"]}
    return ask(file, labels, **(result | more))


def add(options, *, dry_run=False):
    add_model(options, force=False, form="plain", dry_run=dry_run)
