"""The process in which Ultralytics' package exports a checkpoint to ONNX, shut in by a sandbox.

Run by ``python -I export_child.py FILE ROWS COLUMNS FOLDER…`` in a scratch folder, which gets
``model.onnx`` and ``version``; ROWS 0 means the size it was trained at. FOLDERs hold further
packages. A checkpoint is a pickle of Ultralytics' classes: only their package can load it, and
loading runs what the file says. Only the standard library is imported before piyard is found.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib import import_module, util
from pathlib import Path
from typing import Any

MODEL = "model"
TRAINED_SIDE = 640
"""Of the input, in pixels, where the checkpoint does not say."""
QUIET = {
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "OMP_NUM_THREADS": "1",
}


def main() -> None:
    """Export, or end with what went wrong on stderr."""
    file, (rows, columns) = Path(sys.argv[1]), map(int, sys.argv[2:4])
    sys.path += sys.argv[4:]
    here = str(Path.cwd())
    os.environ.update(QUIET, YOLO_CONFIG_DIR=here, MPLCONFIGDIR=here, HOME=here)
    _import_piyard(Path(__file__).resolve().parents[2])
    import_module("piyard.models.networks").torchvision_models()
    ultralytics: Any = import_module("ultralytics")
    Path("version").write_text(str(ultralytics.__version__), encoding="utf-8")
    shutil.copyfile(file, f"{MODEL}.pt")
    _export(ultralytics.YOLO(f"{MODEL}.pt"), [rows, columns])
    _drop_date(Path(f"{MODEL}.onnx"))


def _import_piyard(folder: Path) -> None:
    """Where it is, may be read; the folder around it, which a path would have searched, may not."""
    spec = util.spec_from_file_location(
        folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec and spec.loader:
        sys.modules[folder.name] = util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[folder.name])


def _export(model: Any, size: list[int]) -> None:
    """Decoded, and for one picture; a head that tells each object once is told to do so."""
    side = (getattr(model, "overrides", None) or {}).get("imgsz") or TRAINED_SIDE
    options = {"imgsz": size if size[0] else side, "simplify": False, "device": "cpu"}
    head = model.model.model[-1]
    # Since 8.4 an end-to-end head does so only where nms is False; before it always did.
    once = {"nms": False} if getattr(head, "one2one_cv2", None) is not None else {}
    model.export(format="onnx", **options, **once)


def _drop_date(file: Path) -> None:
    """The same checkpoint makes the same file."""
    onnx: Any = import_module("onnx")
    graph = onnx.load(str(file))
    kept = [prop for prop in graph.metadata_props if prop.key != "date"]
    notes = {prop.key: prop.value for prop in kept}
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, notes)
    onnx.save_model(graph, str(file))


if __name__ == "__main__":
    main()
