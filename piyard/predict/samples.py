"""What a net of several inputs is fed: a folder with a file an input, or a folder of such folders.

A file is called as its input, by the network's own name or as ncnn numbers them (in0, in1 …):
``in0.jpg`` is prepared as the model's YAML says, ``in1.npy`` is an array of the input's shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.board.release import Release, release_of_paths
from piyard.core.errors import WrongInput
from piyard.core.files import scratch_folder
from piyard.models.definition import Model
from piyard.predict.arrays import safe_name
from piyard.vision.pictures import READABLE_SUFFIXES, printable_path, read_picture, sort_naturally
from piyard.vision.preprocess import prepare_picture

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

ARRAY_SUFFIX = ".npy"
MOST_SAMPLES = 200


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One inference: a tensor for each input, by ncnn's name of it."""

    name: str
    tensors: dict[str, Path]


@contextmanager
def open_samples(model: Model, texts: Sequence[str]) -> Iterator[list[Sample]]:
    """The samples in these folders, prepared. Raises ``WrongInput``."""
    folders = [folder for text in texts for folder in find_samples(text)]
    with scratch_folder("piyard-samples-") as scratch:
        yield [
            Sample(
                name=printable_path(folder),
                tensors=_write_tensors(model, folder, scratch / str(number)),
            )
            for number, folder in enumerate(folders)
        ]


def find_samples(text: str) -> list[Path]:
    """The folders with files, the named one or those in it."""
    path = Path(text)
    if not path.is_dir():
        raise WrongInput(
            f"{text} is not a folder", remedy="a folder with a file an input: in0.jpg, in1.npy …"
        )
    inside = sort_naturally(each for each in path.iterdir() if each.is_dir())
    folders = inside or [path]
    if len(folders) > MOST_SAMPLES:
        raise WrongInput(
            f"{text} holds {len(folders)} samples, more than the {MOST_SAMPLES} of one run",
            remedy="show fewer",
        )
    return folders


def release_of_samples(samples: Sequence[Sample], order: Sequence[str]) -> Release:
    """The tensors in the order in which nnrun takes them, by ncnn's names of the inputs."""
    files = [sample.tensors[name] for sample in samples for name in order]
    named = {f"{number:05d}{ARRAY_SUFFIX}": path for number, path in enumerate(files)}
    return release_of_paths(named, label=f"{len(files)} tensors")


def input_names(model: Model) -> list[list[str]]:
    """For each input of the model the names its file may have."""
    own = ["input", *(each.name for each in model.further)]
    return [[f"in{number}", name, safe_name(name)] for number, name in enumerate(own)]


def _write_tensors(model: Model, folder: Path, scratch: Path) -> dict[str, Path]:
    import numpy as np

    scratch.mkdir()
    paths = {}
    for name, values in _read_inputs(model, folder).items():
        paths[name] = scratch / f"{name}{ARRAY_SUFFIX}"
        np.save(paths[name], values)
    return paths


def _read_inputs(model: Model, folder: Path) -> dict[str, Floats]:
    """ncnn's name of each input → its tensor."""
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.is_file()}
    kinds = [True, *(each.picture for each in model.further)]
    return {
        f"in{number}": _read_input(
            model, _find_file(files, names, folder), model.input_shapes[number], picture=picture
        )
        for number, (names, picture) in enumerate(zip(input_names(model), kinds, strict=True))
    }


def _find_file(files: Mapping[str, Path], names: Sequence[str], folder: Path) -> Path:
    for name in names:
        if name in files:
            return files[name]
    raise WrongInput(
        f"{printable_path(folder)} has no file for the input {names[1]}",
        remedy=f"call it {names[0]}.npy, or {names[0]}.jpg for a picture",
    )


def _read_input(model: Model, path: Path, shape: Sequence[int], *, picture: bool) -> Floats:
    if path.suffix.lower() in READABLE_SUFFIXES and picture:
        return prepare_picture(read_picture(path), model.preprocess, model.input[1:])
    if path.suffix.lower() != ARRAY_SUFFIX:
        raise WrongInput(
            f"{printable_path(path)} is not an array, which its input takes",
            remedy=f"save it by numpy.save, of the shape {_format_shape(shape)}",
        )
    return read_array(path, shape)


def read_array(path: Path, shape: Sequence[int]) -> Floats:
    """The array of a .npy file, as 32-bit floats; without pickles. Raises ``WrongInput``."""
    import numpy as np

    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise WrongInput(
            f"{printable_path(path)} cannot be read as .npy: {error}", remedy="save it again"
        ) from None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
        raise WrongInput(f"{printable_path(path)} holds no array of numbers")
    if values.size == 0 or tuple(values.shape) not in {tuple(shape), (1, *shape)}:
        raise WrongInput(
            f"{printable_path(path)} has the shape {_format_shape(values.shape)}, and its input "
            f"{_format_shape(shape)}",
            remedy="save one of that shape",
        )
    single: Floats = np.ascontiguousarray(values.reshape(shape), np.float32)
    return single


def _format_shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "one number"
