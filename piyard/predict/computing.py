"""Runs whose outputs are what counts: their commands, and arrays under the names used here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard.convert.conversions import Conversion
from piyard.convert.ncnn_net import declared_inputs, read_layers
from piyard.models.definition import Model
from piyard.predict.arrays import OutputRules, keep_arrays, safe_name
from piyard.predict.command import Inputs, PredictOptions, release_path
from piyard.predict.files import name_drawings
from piyard.predict.samples import release_of_samples
from piyard.run.execute import NnrunCommand
from piyard.run.record import Record, TaskInfo
from piyard.run.run_folders import OUTPUTS_FOLDER
from piyard.vision.predictions import Frame


def keep_run_arrays(frames: Sequence[Frame], record: Record, folder: Path) -> list[Frame]:
    """Outputs of task other as files here."""
    what = record.what
    rules = OutputRules(
        names=what.outputs or {}, images=what.images or {}, order=what.order or "rgb"
    )
    there = sorted(what.inputs or {})
    stems = [Path(name).stem for name in name_drawings([(what.inputs or {})[at] for at in there])]
    named = dict(zip(there, stems, strict=True))
    return [
        keep_arrays(each, named.get(Path(each.name).name, safe_name(each.name)), folder, rules)
        for each in frames
    ]


def with_outputs(command: NnrunCommand, conversion: Conversion, model: Model) -> NnrunCommand:
    """The same; where outputs are what counts, its record says how they are called."""
    if not model.spec.keeps_outputs:
        return command
    reference = conversion.manifest.reference
    names = dict(zip(reference.outputs, reference.names, strict=False))
    what = msgspec.structs.replace(
        command.what,
        outputs={blob: names.get(blob, blob) for blob in reference.outputs},
        images=model.images or None,
        order=model.preprocess.order,
    )
    return msgspec.structs.replace(command, what=what)


def computing_command(
    conversion: Conversion, inputs: Inputs, options: PredictOptions
) -> NnrunCommand:
    """nnrun's command line for samples of several inputs."""
    order = declared_inputs(read_layers(conversion.folder))
    release = release_of_samples(inputs.samples, order)
    there = [f"{release_path(release)}/{file.name}" for file in release.files]
    command = NnrunCommand(
        verb="compute",
        arguments=[
            *("--param", "model.ncnn.param", "--bin", "model.ncnn.bin"),
            *("--precision", options.precision, "--threads", str(options.threads)),
            *("--save-outputs", OUTPUTS_FOLDER, "--", *there),
        ],
        what=TaskInfo(
            task=conversion.model.task,
            inputs={str(at): sample.name for at, sample in enumerate(inputs.samples)},
            shown=inputs.title,
        ),
        inputs=release,
    )
    return with_outputs(command, conversion, conversion.model)
