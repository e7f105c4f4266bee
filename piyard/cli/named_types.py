"""Types of flags whose values are names.

Modules that know the legal ones are imported when a flag is read: ``--list`` needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from piyard.cli.value_types import ValueType
from piyard.core.errors import unknown_name
from piyard.core.foreign import require_file


def choice(noun: str, names: Callable[[], Collection[str]], value: str) -> ValueType[str]:
    """One of some names, looked up when it is read; ``value`` stands for it in the help."""

    def convert(_name: str, text: str) -> str:
        if text not in names():
            raise unknown_name(noun, text, names())
        return text

    return ValueType(value, convert, names)


def _hosts() -> Iterator[str]:
    from piyard.board.fleet.inventory import load_inventory

    boards = load_inventory()
    yield from boards
    yield from sorted({f"@{tag}" for entry in boards.values() for tag in entry.tags})


def _targets() -> list[str]:
    from piyard.core.target import target_names

    return target_names()


def _models() -> list[str]:
    from piyard.models.definition import model_names
    from piyard.models.language_models import language_model_names

    return model_names() + language_model_names()


def _language_precisions() -> Collection[str]:
    from piyard.convert.language.formats import FORMATS as BY_PRECISION

    return BY_PRECISION


def _precisions() -> Collection[str]:
    from piyard.core import target

    return target.PRECISIONS


def _report_formats() -> Collection[str]:
    from piyard.report.formats import REPORT_FORMATS

    return REPORT_FORMATS


def _formats() -> Collection[str]:
    from piyard.core.tables import FORMATS

    return FORMATS


def _tasks() -> Collection[str]:
    from piyard.vision.tasks import TASK_NAMES

    return TASK_NAMES


def _listed_tasks() -> Collection[str]:
    from piyard.models.language_models import GENERATE

    return (*_tasks(), GENERATE)


def _run_precisions() -> Collection[str]:
    return list(dict.fromkeys((*_precisions(), *_language_precisions())))


def _routes() -> Collection[str]:
    from piyard.convert.routes import ROUTES

    return ROUTES


def _data_formats() -> Collection[str]:
    from piyard.data.formats import DATA_FORMAT_NAMES

    return DATA_FORMAT_NAMES


def _decoding_places() -> Collection[str]:
    from piyard.predict.decoders import PLACES

    return PLACES


def _engines() -> Collection[str]:
    from piyard.build.engine import engine_names

    return engine_names()


def _power_actions() -> Collection[str]:
    from piyard.board.labgrid.acquisition import POWER_ACTIONS

    return POWER_ACTIONS


def _model_or_file(_name: str, text: str) -> str:
    """A model's name, or the path of a network file; raises ``WrongInput`` for anything else."""
    from piyard.convert.own.defaults import CHECKPOINT_SUFFIXES, FILE_KINDS, GGUF_SUFFIX

    path = Path(text)
    if text in _models() or path.is_dir():
        return text
    if path.suffix in {*FILE_KINDS, *CHECKPOINT_SUFFIXES, GGUF_SUFFIX}:
        require_file(path)
        return text
    raise unknown_name("model", text, _models())


BOARD = ValueType[str]("NAME", lambda _name, text: text, _hosts)
KNOWN_MODEL = choice("model", _models, "NAME")
MODEL_OR_FILE = ValueType[str]("NAME|FILE", _model_or_file, _models)
KNOWN_TARGET = choice("target", _targets, "TARGET")
PRECISION = choice("precision", _precisions, "TYPE")
RUN_PRECISION = choice("precision", _run_precisions, "TYPE")
LANGUAGE_PRECISION = choice("precision", _language_precisions, "TYPE")
FORMAT = choice("format", _formats, "FORMAT")
REPORT_FORMAT = choice("format", _report_formats, "FORMAT")
ANY_MODEL = ValueType[str]("NAME", lambda _name, text: text, _models)
TASK = choice("task", _tasks, "TASK")
LISTED_TASK = choice("task", _listed_tasks, "TASK")
ROUTE = choice("route", _routes, "ROUTE")
DATA_FORMAT = choice("data format", _data_formats, "NAME")
DECODING_PLACE = choice("place", _decoding_places, "PLACE")
ENGINE = choice("engine", _engines, "NAME")
POWER_ACTION = choice("power action", _power_actions, "ACTION")
