"""What Ultralytics' own package sees in pictures, a line of JSON a picture; not piyard's process.

    python benchmarks/ultralytics_predict.py FILE TASK ROWS COLUMNS OPTIONS PICTURE…

OPTIONS are in JSON: ``conf``, ``iou`` and ``max_det`` as its ``predict`` has them, ``end2end`` for
the branch that tells each object once, ``first`` a module to import before torchvision. It is run
under a Python that has ultralytics, by ``ultralytics_agreement.py``.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def main() -> None:
    """See each picture at the network's own size, whatever its proportions are."""
    file, task, rows, columns, options, *pictures = sys.argv[1:]
    chosen = json.loads(options)
    if chosen.pop("first", ""):
        importlib.import_module(json.loads(options)["first"])
    if chosen.pop("end2end"):
        chosen["nms"] = False
    ultralytics: Any = importlib.import_module("ultralytics")
    model = ultralytics.YOLO(file, task=task)
    size = [int(rows), int(columns)]
    for picture in pictures:
        result = model.predict(
            picture,
            imgsz=size if size[0] != size[1] else size[0],
            rect=False,
            retina_masks=True,
            verbose=False,
            device="cpu",
            **chosen,
        )[0]
        print(json.dumps(_describe(result)), flush=True)


def _describe(result: Any) -> dict[str, Any]:
    if result.probs is not None:
        return {"probabilities": result.probs.data.tolist()}
    if result.obb is not None:
        obb = result.obb
        columns = [obb.cls, obb.conf, obb.xyxy, obb.xywhr]
        keys = ("class", "score", "box", "rotated")
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return {"objects": [dict(zip(keys, row, strict=True)) for row in rows]}
    objects = [
        {"class": int(label), "score": score, "box": box}
        for label, score, box in zip(
            result.boxes.cls.tolist(),
            result.boxes.conf.tolist(),
            result.boxes.xyxy.tolist(),
            strict=True,
        )
    ]
    for number, each in enumerate(objects):
        if result.keypoints is not None:
            each["keypoints"] = result.keypoints.xy[number].tolist()
        if result.masks is not None:
            each["mask"] = _encode(result.masks.data[number])
    return {"objects": objects}


def _encode(mask: Any) -> dict[str, Any]:
    import numpy as np
    from pycocotools import mask as coco

    runs = coco.encode(np.asfortranarray(mask.cpu().numpy().astype("uint8")))
    return {"size": runs["size"], "counts": runs["counts"].decode("ascii")}


if __name__ == "__main__":
    main()
