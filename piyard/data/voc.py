"""Pascal VOC's data sets: an XML file a picture, in Annotations/ or beside the pictures.

Everingham et al. 2010, "The Pascal Visual Object Classes Challenge". Its pixels are counted from 1
and a box holds its last ones, so that x0 = xmin - 1 and x1 = xmax, as the devkit computes widths.
What is ``difficult`` is neither a hit nor a miss. ImageSets/Main/ lists the pictures of a split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from piyard.core.errors import WrongInput
from piyard.core.labels import normalize_name
from piyard.core.parsing import read_text
from piyard.data.dataset import Annotation, DataSet, Film, LeftOut, folder_name, group_left_out
from piyard.data.request import DataRequest
from piyard.data.splits import choose_split, is_split
from piyard.vision.pictures import PictureFolder, list_pictures, list_subfolders

ANNOTATIONS = "Annotations"
PICTURE_FOLDERS = ("JPEGImages", "images", ANNOTATIONS, ".")
LISTS = Path("ImageSets", "Main")
START_BYTES = 2000
CORNERS = ("xmin", "ymin", "xmax", "ymax")
MOST_BYTES = 10_000_000
"""Of an XML file; VOC's own have some hundreds."""


class VocObject(NamedTuple):
    """An object as a file has it."""

    name: str
    box: tuple[float, float, float, float]
    """xmin, ymin, xmax, ymax, counted from 1."""
    difficult: bool


class VocFolder(NamedTuple):
    """A folder, or what a list names of it; files go by their names without the ending."""

    stems: Sequence[str]
    files: Mapping[str, Path]
    """XML."""
    pictures: Mapping[str, Path]
    used: Mapping[Path, Path]
    """Picture → its XML file."""
    unreadable: Sequence[Path]
    """Pictures of formats that are not read."""


def is_voc(path: Path) -> bool:
    """Whether it has Annotations/ with XML files, or such files beside pictures."""
    if not path.is_dir():
        return False
    return bool(_has_xml(path / ANNOTATIONS) or _has_xml(path) or _split_folders(path))


def read_voc(request: DataRequest) -> DataSet:
    """The pictures of one split with the objects in each. Raises ``WrongInput``."""
    path = request.path
    folders = _split_folders(path)
    lists = {} if folders else _split_lists(path)
    split = choose_split(request.split, list(folders or lists), path)
    chosen = _open_folder(folders.get(split, path), lists.get(split))
    objects = _read_all(list(folders.values()) or [path])
    classes = sorted({each.name for within in objects.values() for each in within})
    truth = {picture: _annotations(objects[file], classes) for picture, file in chosen.used.items()}
    return DataSet(
        format="voc",
        kind="box",
        name=folder_name(path),
        root=path,
        split=split,
        splits=list(folders or lists),
        classes=classes,
        films=[Film(pictures=list(truth), truth=truth)],
        label_files=chosen.used,
        left_out=_left_out(chosen),
    )


def _open_folder(root: Path, list_file: Path | None) -> VocFolder:
    """Of a listed split only what its list names."""
    files, content = _xml_files(root), _picture_folder(root)
    pictures = _by_stem(content.pictures)
    stems = _read_list(list_file) if list_file else list(dict.fromkeys([*files, *pictures]))
    used = {pictures[stem]: files[stem] for stem in stems if stem in files and stem in pictures}
    if not used:
        raise WrongInput(
            f"{root}: no picture has an XML file of its name",
            evidence=f"for example {next(iter(files.values()), 'none is there')}",
            remedy="put the pictures into JPEGImages/, or beside the XML files",
        )
    return VocFolder(stems, files, pictures, used, content.left_out)


def _read_all(roots: Sequence[Path]) -> dict[Path, list[VocObject]]:
    """Of all splits, so that classes have the same numbers in each."""
    files = [file for root in roots for file in _xml_files(root).values()]
    return {file: read_voc_objects(file) for file in files}


def read_voc_objects(file: Path) -> list[VocObject]:
    """What is in one picture. Raises ``WrongInput`` for what is not an annotation."""
    return [
        _read_object(f"{file}: object {number}", element)
        for number, element in enumerate(_parse_xml(file).findall("object"), 1)
    ]


def _parse_xml(file: Path) -> ET.Element:
    if file.is_file() and file.stat().st_size > MOST_BYTES:
        raise WrongInput(f"{file} has more than {MOST_BYTES:,} bytes", remedy="is it VOC's?")
    text = read_text(file)
    if "<!" in text.replace("<!--", ""):
        # Entities are declared there, which may stand for more text than there is memory.
        raise WrongInput(f"{file} declares types of its own", remedy="take out the line with <!")
    try:
        root = ET.fromstring(text)  # noqa: S314 - without declarations XML is harmless
    except ET.ParseError as error:
        line, _ = error.position
        raise WrongInput(f"{file}:{line}: {error}", remedy="is it whole?") from None
    if root.tag != "annotation":
        raise WrongInput(f"{file} holds <{root.tag}>, not <annotation>", remedy="is it VOC's?")
    return root


def _read_object(where: str, element: ET.Element) -> VocObject:
    name = normalize_name(element.findtext("name") or "")
    if not name:
        raise WrongInput(f"{where} has no name", remedy="is it VOC's format?")
    try:
        x0, y0, x1, y1 = box = _read_box(element)
    except ValueError:
        raise WrongInput(
            f"{where} has no bndbox of {', '.join(CORNERS)}", remedy="is it VOC's format?"
        ) from None
    if not all(map(isfinite, box)) or x1 < x0 or y1 < y0:
        raise WrongInput(f"{where} has a box that ends before it begins", remedy="correct it")
    return VocObject(name, box, (element.findtext("difficult") or "0").strip() == "1")


def _read_box(element: ET.Element) -> tuple[float, float, float, float]:
    """A person's head and hands have boxes too, further within."""
    x0, y0, x1, y1 = (float(element.findtext(f"bndbox/{corner}") or "") for corner in CORNERS)
    return x0, y0, x1, y1


def _annotations(objects: Sequence[VocObject], classes: Sequence[str]) -> list[Annotation]:
    index = {name: number for number, name in enumerate(classes)}
    return [_annotation(each, index[each.name]) for each in objects]


def _annotation(each: VocObject, class_: int) -> Annotation:
    x0, y0, x1, y1 = each.box
    size = (x1 - x0 + 1, y1 - y0 + 1)
    return Annotation(
        class_=class_,
        box=(x0 - 1, y0 - 1, x1, y1),
        size=size,
        area=size[0] * size[1],
        difficult=each.difficult,
    )


def _has_xml(folder: Path) -> bool:
    """Whether the first XML file there is one of VOC's."""
    file = min(folder.glob("*.xml"), default=None)
    return file is not None and b"<annotation" in _read_start(file)


def _split_folders(path: Path) -> dict[str, Path]:
    """A folder a split, as Roboflow writes them."""
    if _has_xml(path) or (path / ANNOTATIONS).is_dir():
        return {}
    return {
        folder.name: folder
        for folder in list_subfolders(path)
        if is_split(folder.name) and (_has_xml(folder) or _has_xml(folder / ANNOTATIONS))
    }


def _xml_files(root: Path) -> dict[str, Path]:
    """By the names without their ending, in order."""
    folder = root / ANNOTATIONS if (root / ANNOTATIONS).is_dir() else root
    return {file.stem: file for file in sorted(folder.glob("*.xml"))}


def _split_lists(path: Path) -> dict[str, Path]:
    """Lists of pictures by split; those of a class have a second column."""
    lists = sorted((path / LISTS).glob("*.txt"))
    return {file.stem: file for file in lists if len(_first_words(file)) < 2}


def _first_words(file: Path) -> list[str]:
    return _read_start(file).partition(b"\n")[0].decode(errors="replace").split()


def _read_start(file: Path) -> bytes:
    """Nothing of what cannot be read: whoever reads it whole says why."""
    try:
        with file.open("rb") as opened:
            return opened.read(START_BYTES)
    except OSError:
        return b""


def _read_list(file: Path) -> list[str]:
    stems = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    if not stems:
        raise WrongInput(f"{file} lists no picture", remedy="a line is a picture's name")
    return list(dict.fromkeys(stems))


def _picture_folder(root: Path) -> PictureFolder:
    """The first of the usual folders with pictures."""
    for name in PICTURE_FOLDERS:
        content = list_pictures(root / name) if (root / name).is_dir() else None
        if content and content.pictures:
            return content
    raise WrongInput(f"{root} holds no pictures", remedy="they belong into JPEGImages/")


def _by_stem(paths: Sequence[Path]) -> dict[str, Path]:
    by_stem: dict[str, Path] = {}
    for path in paths:
        other = by_stem.setdefault(path.stem, path)
        if other != path:
            raise WrongInput(
                f"{other} and {path.name} would both be the picture of {path.stem}.xml",
                remedy="keep one of them",
            )
    return by_stem


def _left_out(chosen: VocFolder) -> list[LeftOut]:
    stems, files, pictures = chosen.stems, chosen.files, chosen.pictures
    unseen = [files[stem] for stem in stems if stem in files and stem not in pictures]
    unlabelled = [pictures[stem] for stem in stems if stem in pictures and stem not in files]
    absent = [Path(stem) for stem in stems if stem not in files and stem not in pictures]
    return group_left_out(
        {
            "of annotations without a picture": unseen,
            "without an XML file": unlabelled,
            "in the list and not there": absent,
            "of a format that is not read": chosen.unreadable,
        }
    )
