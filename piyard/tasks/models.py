"""Tasks about models."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from piyard.tasks import texts
from piyard.tasks.defaults import MODEL
from piyard.tasks.letters import task


@task(
    iterable=["model"],
    help={
        "model": texts.MODEL,
        "random-weights": texts.RANDOM,
        "route": "trace, script, onnx (deprecated by torch) or pnnx (its kept IR); the model's own",
        "force": "keep it even though its proof failed",
        "trust": texts.TRUST,
        "dry-run": texts.DRY_RUN,
    },
)
def convert(
    _c: Context,
    model: list[str],
    random_weights: bool = False,
    route: str = "",
    force: bool = False,
    trust: bool = False,
    dry_run: bool = False,
) -> None:
    """Convert models to ncnn, with proof that they still compute the same."""
    from piyard.commands import models

    models.conversions(
        model or [MODEL],
        random_weights=random_weights,
        route=route,
        force=force,
        trusted=trust,
        dry_run=dry_run,
    )


@task(
    name="list",
    help={"task": "only those: classify, detect, segment, pose or track", "format": texts.FORMAT},
)
def list_models(_c: Context, task: str = "", format: str = "plain") -> None:
    """The models there are: input, size, accuracy and licence, as published."""
    from piyard.commands import models

    models.listed(task, format)


@task(
    name="add",
    positional=["file"],
    iterable=["cut"],
    help={
        "file": "an .onnx, a checkpoint of a network piyard knows (.pt, .pth), a TorchScript (a "
        "program, it is run in a sandbox), or the .param of an ncnn pair",
        "task": "classify, detect, segment or pose (the network's; classify)",
        "input": "what it is fed: channels, height, width, as 3,416,416 (the network's; 3,224,224)",
        "head": "what its outputs mean: yolov8, yolox, nanodet, rtmdet, fcos, simcc or heatmap "
        "(the network's)",
        "labels": "names of the classes: a file, one a line, or a list of models/labels/ (those "
        "in the network's file)",
        "keypoints": "names of the keypoints, likewise",
        "name": "what it is called here (the file's name)",
        "strides": "input pixels between places, map by map, as 8,16,32; the head's usual ones",
        "cut": "a tensor of the ONNX graph, or the path of a convolution in the TorchScript, that "
        "is an output; repeat in the head's order",
        "fit": "crop, letterbox, stretch or box",
        "resize": "fit crop: pixels of the short side before the middle is taken (a seventh more)",
        "order": "rgb or bgr",
        "mean": "subtracted from each channel (0..255), as 123.7,116.3,103.5",
        "norm": "multiplied afterwards, as 0.017,0.0175,0.0174",
        "output": "of a classifier with several, the one with the classes",
        "activation": "what makes scores of it: softmax, sigmoid (of each class), exp or none (as "
        "the net ends)",
        "licence": "of the file",
        "force": "keep it even though its proof failed",
        "trust": texts.TRUST,
        "format": texts.FORMAT,
        "dry-run": texts.DRY_RUN,
    },
)
def add_model(
    _c: Context,
    file: str,
    cut: list[str],
    task: str = "",
    input: str = "",
    head: str = "",
    strides: str = "",
    labels: str = "",
    keypoints: str = "",
    name: str = "",
    fit: str = "",
    resize: str = "",
    order: str = "",
    mean: str = "",
    norm: str = "",
    output: str = "",
    activation: str = "",
    licence: str = "",
    force: bool = False,
    trust: bool = False,
    format: str = "plain",
    dry_run: bool = False,
) -> None:
    """Make a model of a network file of your own, and convert it with proof."""
    from piyard.commands import models
    from piyard.conversion.own import Asked, differing, numbers

    asked = Asked(
        file=Path(file),
        name=name or Path(file).stem,
        task=task,
        size=input,
        head=head,
        strides=numbers("strides", strides),
        labels=labels,
        keypoints=keypoints,
        cut=cut,
        output=output,
        activation=activation,
        preprocess=differing(fit=fit, resize=resize, order=order, mean=mean, norm=norm),
        licence=licence,
    )
    models.add_model(asked, force=force, trusted=trust, form=format, dry_run=dry_run)
