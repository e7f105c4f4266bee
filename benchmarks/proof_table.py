"""How close ncnn's outputs are to the original's, model by model, on as many pictures as asked for.

    .venv/bin/python benchmarks/proof_table.py PICTURES [MODEL ...] [--count 50] [--random MODEL]

PICTURES is a folder of JPEGs. A model is converted if it is not yet: with its real weights (from
PIYARD_MIRROR or the network), or with seeded ones where --random names it. Each row tells the
worst figures over the inputs of its kind; what "fp16" means here is written under the table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from piyard.convert.conversions import Conversion
from piyard.convert.converter import convert_model
from piyard.convert.model_files import choose_files
from piyard.convert.ncnn_net import PRECISION_NOTES, load_net_pair
from piyard.convert.proof import ProofResult, prove_nets
from piyard.convert.proof_inputs import make_case, make_inputs
from piyard.convert.reference_models import reference_networks
from piyard.core import console
from piyard.core.errors import PiyardError
from piyard.core.tables import FORMATS, render_table
from piyard.models.definition import load_model, model_names

COLUMNS = ("Model", "Weights", "Data type", "Input", "Count", "Cosine", "Max abs", "Same top-1")


def main() -> int:
    """Print the table; the exit code says whether every figure meets its model's threshold."""
    request = _arguments()
    pictures = _spread(request.pictures, request.count)
    rows: list[list[str]] = []
    try:
        for name in request.models:
            conversion = convert_model(load_model(name), random_weights=name in request.random)
            rows += _rows(conversion, _prove(conversion, pictures))
    except PiyardError as error:
        console.info(str(error))
        return error.exit_code
    finally:
        print(render_table(COLUMNS, rows, request.format))
    for way, computed in PRECISION_NOTES.items():
        console.info(f"{way}: {computed}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("models", nargs="*", default=model_names())
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--random", action="append", default=[], metavar="MODEL")
    parser.add_argument("--format", default="github", choices=FORMATS)
    return parser.parse_args()


def _spread(folder: Path, count: int) -> list[Path]:
    """``count`` pictures from all over the folder."""
    result = sorted(folder.rglob("*.jpg"))
    if len(result) < count:
        sys.exit(f"{folder} holds {len(result)} pictures, not {count}")
    return [result[i * len(result) // count] for i in range(count)]


def _prove(conversion: Conversion, pictures: list[Path]) -> ProofResult:
    from piyard.models.networks import inference

    model = load_model(conversion.name)
    files = choose_files(model, random_weights=not conversion.has_real_weights)
    with (
        console.step(f"compare {conversion.name}"),
        inference(),
        tempfile.TemporaryDirectory() as half,
    ):
        nets = reference_networks(model, files)
        for net in nets.values():
            net.lower(Path(half), half=True)
        pairs = {stem: load_net_pair(conversion.folder, Path(half), stem) for stem in nets}
        case = make_case(model, nets, make_inputs(model, nets, pictures), pictures)
        return prove_nets(case, nets, pairs)


def _rows(conversion: Conversion, proved: ProofResult) -> list[list[str]]:
    weights = conversion.manifest.weights
    weights_text = (
        f"random, seed {weights.seed}" if weights.kind == "random" else weights.sha256[:8]
    )
    return [
        [
            conversion.name,
            weights_text,
            way,
            kind,
            *figures.cells,
            f"{figures.same_top}/{figures.count}",
        ]
        for way, kinds in proved.figures.items()
        for kind, outputs in kinds.items()
        for figures in outputs.values()
    ]


if __name__ == "__main__":
    sys.exit(main())
