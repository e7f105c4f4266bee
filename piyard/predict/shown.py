"""The picture that a model is asked about: checked here, and nnrun's flags for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard.convert.language.conversions import LanguageConversion
from piyard.convert.language.picture_tower import PICTURE_FILES
from piyard.core.errors import WrongInput
from piyard.models.language_models import LanguageModel
from piyard.vision.flags import preprocess_flags
from piyard.vision.pictures import is_readable_by_nnrun, read_picture

PICTURE_FILE = "picture"
"""In the release of a prompt."""


def find_shown(model: LanguageModel, inputs: Sequence[str]) -> Path | None:
    """The file, which must be a whole picture; None for a model that reads texts only.

    Raises ``WrongInput`` for a picture that nobody sees, and for a model that is shown none.
    """
    sees = model.language.pictures is not None
    if inputs and not sees:
        raise WrongInput(
            f"{model.name} reads texts and sees no pictures",
            remedy="leave out --input, or choose a model that sees them: smolvlm_256m",
        )
    if sees and len(inputs) != 1:
        shown = f"and is shown {len(inputs)}" if inputs else "and is shown none"
        raise WrongInput(
            f"{model.name} answers about one picture, {shown}", remedy="--input picture.jpg"
        )
    if not inputs:
        return None
    path = Path(inputs[0])
    if not path.is_file():
        raise WrongInput(f"there is no picture {path}", remedy="check --input: it takes one file")
    read_picture(path)
    return path


def write_shown(picture: Path, folder: Path) -> Path:
    """The picture as nnrun reads it: itself, or as PNG in that folder."""
    if is_readable_by_nnrun(picture):
        return picture
    shown = folder / f"{PICTURE_FILE}.png"
    read_picture(picture).save(shown)
    return shown


def shown_words(conversion: LanguageConversion, place: str) -> list[str]:
    """nnrun's flags for the picture in the folder ``place``."""
    pictures = conversion.model.language.pictures
    if pictures is None:
        return []
    files = zip(("--picture-param", "--picture-bin"), PICTURE_FILES, strict=True)
    words = ["--picture", f"{place}/{PICTURE_FILE}", *(word for pair in files for word in pair)]
    return words + preprocess_flags(pictures.preprocess, pictures.input[1:])
