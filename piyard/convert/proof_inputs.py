"""What the original and the converted network are both fed, and the outputs of the original."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.lint import LayerNames
from piyard.convert.param import TEXT_STEM
from piyard.convert.reference import ReferenceModel
from piyard.convert.text_encoder import SENTENCES_KIND, find_text
from piyard.core.errors import ConversionFailed
from piyard.core.mirror import mirror_folder
from piyard.models.definition import Model, read_labels
from piyard.models.synthetic import INPUT_SEED, drawn_pictures, random_tensor
from piyard.vision.clips import number_frames, read_otb_truth, read_sequence_info
from piyard.vision.pictures import list_pictures, read_picture
from piyard.vision.preprocess import prepare_picture
from piyard.vision.schema import NanotrackConfig
from piyard.vision.tasks.base import Compute, Net, PictureSet, Predictor
from piyard.vision.tasks.track import TracksByFrame

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

    Outputs = list[Floats]


PROOF_PICTURES = 16
"""Real pictures a conversion is proved on; benchmarks/proof_table.py takes more."""
MIN_INPUTS = 3
USUAL_PIXELS = 224 * 224
"""Pixels of an input that is proved on ``COUNT`` pictures; a larger one takes longer."""

InputsByKind = dict[str, list[tuple["Floats", ...]]]
"""Kind of input → the inputs, each one array (c, h, w) for each of the net's inputs."""


def proof_pictures(model: Model, count: int = 0) -> list[Path]:
    """Pictures of the mirror, evenly spread; none without a mirror that has them."""
    number = count or input_count(model)
    root = mirror_folder()
    folder = model.spec.proof_pictures
    paths = list_pictures(root / folder).pictures if root and (root / folder).is_dir() else []
    return paths[:: max(1, len(paths) // number)][:number]


def input_count(model: Model) -> int:
    """How many inputs of a kind keep the proof of that model short."""
    _, rows, columns = model.input
    return min(PROOF_PICTURES, max(MIN_INPUTS, PROOF_PICTURES * USUAL_PIXELS // (rows * columns)))


def make_inputs(
    model: Model, originals: Mapping[str, ReferenceModel], pictures: Iterable[Path]
) -> dict[str, InputsByKind]:
    """Stem of a net → what it is fed; a head gets what its backbone makes of both sizes."""
    main: InputsByKind = {
        kind: [_with_further(model, array, arrays, at) for at, array in enumerate(arrays)]
        for kind, arrays in make_net_inputs(model, pictures).items()
    }
    by_stem = {"model": main}
    if text := find_text(originals):
        by_stem[TEXT_STEM] = text.feed()
    if model.dynamic:
        other = make_net_inputs(model, (), size=model.dynamic)
        main["dynamic"] = [(array,) for array in other["noise"]]
        if "head" in originals:
            by_stem["head"] = _backbone_features(
                originals["model"], other, make_net_inputs(model, ())
            )
    return by_stem


FURTHER_SEED = 100
"""Of made-up arrays for inputs beside the first one."""


def _with_further(
    model: Model, array: Floats, arrays: Sequence[Floats], at: int
) -> tuple[Floats, ...]:
    """The first input with one for each further input: for a picture the next of the kind."""
    further = [
        arrays[(at + number) % len(arrays)]
        if each.picture and each.shape == model.input
        else random_tensor(each.shape, FURTHER_SEED + at + number, model.input_range)
        for number, each in enumerate(model.further, 1)
    ]
    return (array, *further)


def make_net_inputs(
    model: Model, pictures: Iterable[Path], size: tuple[int, int] | None = None
) -> dict[str, list[Floats]]:
    """Inputs of shape (c, h, w) by kind; the one of kind ``strided`` is not contiguous."""
    import numpy as np

    c, (h, w) = model.input[0], size or model.input[1:]
    fed = partial(prepare_picture, fit=model.preprocess, size=(h, w))
    drawn = list(drawn_pictures().values())[: input_count(model)]
    kinds = {
        "pictures": [fed(read_picture(path)) for path in pictures],
        "drawn": [fed(picture) for picture in drawn],
        "noise": [random_tensor((c, h, w), seed, model.input_range) for seed in (INPUT_SEED, 11)],
        "strided": [np.transpose(random_tensor((h, w, c), 12, model.input_range), (2, 0, 1))],
    }
    return {kind: values for kind, values in kinds.items() if values}


def _backbone_features(
    main: ReferenceModel, template: Mapping[str, list[Floats]], search: Mapping[str, list[Floats]]
) -> InputsByKind:
    """What the backbone makes of a template and of the place it is searched in."""
    return {
        kind: [
            (main.run(small)[0], main.run(large)[0])
            for small, large in zip(template[kind], search[kind], strict=True)
        ]
        for kind in ("drawn", "noise")
    }


CLIPS_FOLDER = Path("data")
ONE_OBJECT_CLIP, MANY_OBJECTS_CLIP = (
    CLIPS_FOLDER / "sot_crossing",
    CLIPS_FOLDER / "mot_tud_stadtmitte",
)
"""Clips within the mirror."""
CLIP_FRAMES = 8
"""Of a clip: enough for a track to begin, to be lost and to be found again."""


class TrackedClip(msgspec.Struct, frozen=True, kw_only=True):
    """What a tracker is shown, and what it follows there by the original's outputs."""

    film: PictureSet
    expected: TracksByFrame


def reference_clip(model: Model, originals: Mapping[str, ReferenceModel]) -> TrackedClip | None:
    """The clip of that model; None for one that is not a tracker, and where there is no clip."""
    footage = proof_footage(model) if model.tracker else None
    if footage is None:
        return None
    computes = {stem: original.run for stem, original in originals.items()}
    return TrackedClip(film=footage, expected=follow_objects(model, footage, computes))


def proof_footage(model: Model) -> PictureSet | None:
    """The first frames of a sequence of the mirror; None without one that has it."""
    root = mirror_folder()
    follows_one = isinstance(model.tracker, NanotrackConfig)
    if (
        root is None
        or not (root / (ONE_OBJECT_CLIP if follows_one else MANY_OBJECTS_CLIP)).is_dir()
    ):
        return None
    return (
        _otb_footage(root / ONE_OBJECT_CLIP)
        if follows_one
        else _mot_footage(root / MANY_OBJECTS_CLIP)
    )


def _otb_footage(folder: Path) -> PictureSet:
    """A sequence of OTB; its first box is the object to follow."""
    x0, y0, x1, y1 = read_otb_truth(folder / "groundtruth_rect.txt")[0]
    shown = list(number_frames(folder / "img").values())
    return PictureSet(pictures=shown[:CLIP_FRAMES], init=(x0, y0, x1 - x0, y1 - y0), ordered=True)


def _mot_footage(folder: Path) -> PictureSet:
    """A sequence of MOTChallenge."""
    sequence = read_sequence_info(folder)
    shown = list(number_frames(sequence.pictures).values())
    return PictureSet(pictures=shown[:CLIP_FRAMES], fps=sequence.fps, ordered=True)


def follow_objects(
    model: Model, film: PictureSet, computes: Mapping[str, Compute]
) -> TracksByFrame:
    """What the tracker follows on this machine, with each net computed as its stem says."""
    net = make_net(model, computes["model"], computes.get("head"))
    return [frame.objects for frame in Predictor(net=net).predict_frames(film)]


def make_net(model: Model, compute: Compute, head: Compute | None = None) -> Net:
    """The model's net with the function that computes it."""
    return Net(
        task=model.spec,
        size=model.input[1:],
        preprocess=model.preprocess,
        outputs=model.head,
        tracker=model.tracker,
        activation=model.activation,
        labels=read_labels(model) if model.labels else [],
        compute=compute,
        head=head,
    )


PICTURES_KIND = "pictures"
"""A kind of input: what is found in them is compared too."""


class ProofCase(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs with the original's outputs, of each net by its stem, by kind."""

    model: Model
    fed: Mapping[str, InputsByKind]
    expected: Mapping[str, Mapping[str, Sequence[Outputs]]]
    names: Mapping[str, LayerNames]
    """What the original calls its layers (see ``origins.of``)."""
    pictures: Sequence[Path] = ()
    """Those of ``PICTURES_KIND``; none where what is found in them means nothing."""
    clip: TrackedClip | None = None
    """What a tracker follows; None for other models, and where it means nothing."""


def few_inputs(feed: InputsByKind) -> InputsByKind:
    """The pictures and sentences, and of each other kind one input."""
    whole = (PICTURES_KIND, SENTENCES_KIND)
    return {kind: inputs if kind in whole else inputs[:1] for kind, inputs in feed.items()}


def make_case(
    model: Model,
    originals: Mapping[str, ReferenceModel],
    fed: Mapping[str, InputsByKind],
    pictures: Sequence[Path] = (),
    clip: TrackedClip | None = None,
) -> ProofCase:
    """The inputs (``feeds`` with the same pictures) with the originals' outputs.

    Raises ``ConversionFailed`` when an original itself computes nothing usable.
    """
    return ProofCase(
        model=model,
        fed=fed,
        expected={
            stem: _reference_outputs(model, originals[stem], feed) for stem, feed in fed.items()
        },
        names={stem: originals[stem].names() for stem in fed},
        pictures=pictures,
        clip=clip,
    )


def _reference_outputs(
    model: Model, original: ReferenceModel, feed: InputsByKind
) -> dict[str, list[Outputs]]:
    import numpy as np

    expected = {kind: [original.run(*arrays) for arrays in inputs] for kind, inputs in feed.items()}
    every = (output for inputs in expected.values() for outputs in inputs for output in outputs)
    if not all(np.isfinite(output).all() for output in every):
        raise ConversionFailed(
            f"{model.title}: the original's own outputs are not finite",
            remedy="its weights hold NaN, or infinite values: take another file",
        )
    return expected
