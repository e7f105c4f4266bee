"""Embeddings of pictures and texts: by ncnn on this machine, and pictures by a board."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.conversions import Conversion
from piyard.convert.ncnn_net import net_function
from piyard.convert.param import TEXT_STEM
from piyard.convert.text_encoder import TABLE_FILE, TOKENIZER_FILE, read_table, text_inputs
from piyard.core.errors import UnreadableLog, WrongInput
from piyard.language.clip_tokens import encode_text
from piyard.language.clip_vocabulary import load_tokenizer
from piyard.predict.command import Inputs, PredictOptions, input_names
from piyard.predict.prediction import make_command, resolve_classes
from piyard.run import execute, log
from piyard.run.job import JobContext
from piyard.run.record import Record
from piyard.run.run_folders import LOG_FILE, OUTPUTS_FOLDER, run_folder
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import prepare_picture
from piyard.vision.schema import TextConfig

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

    Encoded = dict[Path, Floats]


EMBEDDINGS_FILE = f"{OUTPUTS_FOLDER}/embeddings.npy"


def encode_texts(conversion: Conversion, texts: Sequence[str]) -> list[Floats]:
    """An embedding a text, by ncnn here in fp32; ``WrongInput`` for one that does not fit."""
    import numpy as np

    folder, config = conversion.folder, _text_config(conversion)
    file = folder / TOKENIZER_FILE
    tokenizer = load_tokenizer(file.read_text(encoding="utf-8"), file.name)
    ids = [encode_text(tokenizer, config, text) for text in texts]
    tokens, positions = read_table(folder / TABLE_FILE)
    compute = net_function(folder, TEXT_STEM)
    embeddings = []
    for each in ids:
        rows = np.asarray(tokens[each], np.float32)
        places = np.asarray(positions[: len(each)], np.float32)
        inputs = text_inputs(rows, places, range(len(each)), config)
        embeddings.append(compute(*inputs)[0][-1])
    return embeddings


def picture_encoder(conversion: Conversion) -> Callable[[Path], Floats]:
    """From a picture to its embedding, by ncnn here in fp32."""
    model, compute = conversion.model, net_function(conversion.folder)

    def encode(path: Path) -> Floats:
        return compute(prepare_picture(read_picture(path), model.preprocess, model.input[1:]))[0]

    return encode


def encode_on_board(
    context: JobContext, pictures: Sequence[Path], options: PredictOptions
) -> tuple[Encoded, dict[Path, str]]:
    """The embeddings that a board computes, and why others could not be."""
    model, inputs = context.job.model, Inputs(pictures=pictures)
    command = make_command(model, inputs, resolve_classes(context.conversion, model, options))
    command = msgspec.structs.replace(
        command, arguments=["--embeddings", EMBEDDINGS_FILE, *command.arguments]
    )
    record = execute.run_job(context, command)
    by_name = dict(zip(input_names(inputs), pictures, strict=True))
    return _read_embeddings(record, by_name)


def _read_embeddings(record: Record, by_name: dict[str, Path]) -> tuple[Encoded, dict[Path, str]]:
    """Rows by the picture that nnrun's lines name them with."""
    import numpy as np

    folder = run_folder(record.id)
    nnrun_log = log.read_log(folder / LOG_FILE)
    try:
        rows = np.load(folder / EMBEDDINGS_FILE, allow_pickle=False)
        encoded = {
            by_name[Path(line["image"]).name]: rows[line["row"]]
            for line in nnrun_log.of("classification")
        }
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UnreadableLog(f"{folder / EMBEDDINGS_FILE} cannot be read: {error}") from None
    failed = {
        by_name[name]: str(line.get("error", ""))
        for line in nnrun_log.of("error")
        if (name := Path(str(line.get("image", ""))).name) in by_name
    }
    return encoded, failed


def batches(pictures: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    """So many at a time."""
    for begin in range(0, len(pictures), size):
        yield pictures[begin : begin + size]


def _text_config(conversion: Conversion) -> TextConfig:
    if conversion.model.text is None:
        raise WrongInput(
            f"{conversion.name} has no encoder of texts", remedy="take a model of task clip"
        )
    return conversion.model.text
