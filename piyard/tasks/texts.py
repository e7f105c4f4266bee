"""The help texts of flags that several tasks share."""

from __future__ import annotations

HOST = "a board: name, glob or @tag of the inventory, user@name:port, emulated:<target>; repeatable"
MODEL = "a model of models/; repeat for more"
FORMAT = "plain, github, csv or json"
LONG = "whole comments in the terminal's table, not only the verdict and its first reason"
DRY_RUN = "say what would be done, do nothing"
TARGET = "what kind of board it is, when it does not say so itself"
PRICE = "dollars for a kilowatt-hour, for the cost of energy (PIYARD_KWH_PRICE)"
RANDOM = "seeded random weights instead of the official ones"

BOARDS = {
    "host": HOST,
    "all": "all boards of the inventory",
    "target": TARGET,
    "parallel": "how many boards at once (16)",
    "no-wait": "fail at once when somebody else holds a board",
    "strict": "refuse boards whose host key is not known yet",
}
LINK = {"link-limit": "bytes a second to send at most, as 500k or 2M; for slow links"}
RUNS = {
    "limit": "end a job on the board after so many seconds",
    "retry": "how often to repeat a run that the board lost by a restart (0)",
}
AGAIN = {"retry-failed": "repeat only what failed the last time"}
TRUST = "a TorchScript file may run with your rights, from now on; you know where it comes from"
FORCE = "use a conversion even though its proof failed"
DEPLOY = (
    BOARDS
    | LINK
    | AGAIN
    | {"model": MODEL, "random-weights": RANDOM, "force": FORCE, "dry-run": DRY_RUN}
)
BENCH = (
    DEPLOY
    | RUNS
    | {
        "precision": "fp32, fp16, bf16 or int8; repeat for more",
        "threads": "threads of an inference; repeat for more",
        "loops": "measure so many inferences",
        "budget": "until the median is known to 1 %, for so many seconds at most (30)",
        "warmup": "inferences before measuring; auto: until their times are stable",
        "governor": "the governor of a run, where sudo needs no password; keep: the board's own",
        "picture": "also time classifying this one, from the file to its classes",
        "rerun-invalid": "how often to cool down and repeat a row that is INVALID (0)",
        "energy": "measure energy too, in a run of its own, by the board's own sensors (Pi 5)",
        "meter": "the same by a command that prints the watts of a meter",
        "price-kwh": PRICE,
        "spread": "share the jobs out over boards of the same kind",
        "format": FORMAT,
        "long": LONG,
    }
)
RUN = (
    BOARDS
    | LINK
    | RUNS
    | {
        "model": "a model of models/",
        "input": "a picture, folder, glob or URL, repeat for more; or a film, or camera",
        "precision": "fp32, fp16, bf16 or int8",
        "threads": "threads of an inference",
        "topk": "how many classes to show",
        "output": "of a classifier with several, the one to show (the model's own)",
        "score": "show objects from this score on (the model's own)",
        "frames": "of pictures, a film or the camera, at most (all; 300 of the camera)",
        "init": "x,y,width,height of the object to follow, in the first frame",
        "fps": "frames a second of what is shown, for trackers (30)",
        "draw": "bring no annotated pictures back",
        "show": "open them with the desktop's viewer",
        "force": FORCE,
        "format": FORMAT,
        "dry-run": DRY_RUN,
    }
)
EVALUATE = (
    BOARDS
    | LINK
    | {
        "model": "a model of models/",
        "data": "a folder a class or labels.csv; COCO's JSON and pictures; a MOTChallenge or OTB "
        "sequence",
        "kind": "imagenet, coco, mot or otb, where the data does not tell by itself",
        "limit": "only so many pictures, evenly spread; of clips the first frames",
        "desktop": "also by ncnn on this machine; without --host that is all",
        "precision": "fp32, fp16, bf16 or int8; repeat for more (the desktop imitates fp16)",
        "threads": "threads of an inference on boards",
        "force": FORCE,
        "retry": RUNS["retry"],
        "format": FORMAT,
        "dry-run": DRY_RUN,
    }
)
PROVE = (
    BOARDS
    | LINK
    | RUNS
    | {
        "model": MODEL,
        "pictures": "real pictures that are looked at, where there are any (3); 0: no clip either",
        "mask": "find the layers that must not compute in fp16, and write them to the model's YAML",
        "random-weights": RANDOM,
        "precision": EVALUATE["precision"].partition(" (")[0],
        "threads": "threads of an inference",
        "force": FORCE,
        "format": FORMAT,
        "dry-run": DRY_RUN,
    }
)
