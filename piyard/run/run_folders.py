"""The folders of runs: where each is, and the record in it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from piyard.core import paths
from piyard.core.errors import PROGRAM, UnreadableLog, WrongInput
from piyard.core.files import atomic_write
from piyard.run.record import RECORD_SCHEMA, Record


class _SchemaVersion(msgspec.Struct):
    """The version of a record, whatever else is in it."""

    schema: int = 1


def read_record(folder: Path) -> Record:
    """The record of a run; raises ``UnreadableLog`` for a damaged or a newer one."""
    try:
        content = (folder / RECORD_FILE).read_bytes()
        schema = msgspec.json.decode(content, type=_SchemaVersion).schema
        if schema > RECORD_SCHEMA:
            raise UnreadableLog(
                f"{folder / RECORD_FILE} is of a newer piyard: its schema is {schema}",
                remedy="update piyard",
            )
        return msgspec.json.decode(content, type=Record)
    except OSError as error:
        raise UnreadableLog(f"{folder / RECORD_FILE} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableLog(f"{folder / RECORD_FILE}: {error}") from None


def list_runs() -> list[Path]:
    """The folders of all runs, oldest first."""
    runs = paths.artifacts() / RUNS_FOLDER
    return sorted(folder for folder in runs.glob("*") if (folder / RECORD_FILE).is_file())


def find_run(run_id: str) -> Path:
    """The folder of a run, by its id or the unambiguous start of it."""
    matches = [folder for folder in list_runs() if folder.name.startswith(run_id)]
    if len(matches) != 1:
        problem = "no run is" if not matches else f"{len(matches)} runs are"
        raise WrongInput(
            f"{problem} named '{run_id}'",
            remedy=f"{PROGRAM} runs lists them; {PROGRAM} --help attach explains",
        )
    return matches[0]


RUNS_FOLDER = "runs"
RECORD_FILE = "run.json"
LOG_FILE, STDERR_FILE, OUTPUTS_FOLDER = "log.jsonl", "stderr.txt", "outputs"


def run_folder(run_id: str) -> Path:
    """Where a run is kept."""
    return paths.artifacts() / RUNS_FOLDER / run_id


def save_record(record: Record) -> None:
    """Write run.json by one rename."""
    with atomic_write(run_folder(record.id) / RECORD_FILE) as draft:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
