"""A prompt → what a language model answers on one board, shown as it comes."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from piyard.board.connection import BoardConnection
from piyard.board.release import Release, release_of_paths
from piyard.build.builder import Build
from piyard.convert.language.conversions import TOKENIZER_FILE, LanguageConversion
from piyard.core import console
from piyard.core.errors import WrongInput
from piyard.core.files import scratch_folder
from piyard.models.language_models import LanguageModel
from piyard.predict.answers import GENERATE, Answer, AnswerOptions, read_answer, show_text
from piyard.predict.command import release_path
from piyard.predict.live import JSON_FORMAT
from piyard.predict.shown import PICTURE_FILE, shown_words, write_shown
from piyard.run.job import RunOptions
from piyard.run.language import start_language_run
from piyard.run.lifecycle import finish_run
from piyard.run.log import LogLine
from piyard.run.record import Record, TaskInfo

PROMPT_FILE, SCHEMA_FILE = "prompt.txt", "schema.json"


class AnswerView:
    """Shows an answer while it comes; a ``LiveRun``. Several boards' answers do not mix."""

    _printing = threading.Lock()

    ends = frozenset({"summary"})
    """Types of the lines after which no more text comes."""

    def __init__(self, host: str, form: str, *, streams: bool) -> None:
        self._host, self._form, self._streams = host, form, streams
        self._at_start = True

    @contextmanager
    def attend(self, _connection: BoardConnection, _record: Record) -> Iterator[None]:
        """Nothing else needs to be there meanwhile."""
        yield

    def see(self, line: LogLine) -> None:
        """Print the text of a token; for a program, every line."""
        if self._form == JSON_FORMAT:
            if line["type"] in {"picture", "prefill", "token", "rest"} | self.ends:
                self._write(f"{json.dumps({'board': self._host, **line}, ensure_ascii=False)}\n")
            return
        text = line.get("text")
        if self._streams and line["type"] in {"token", "rest"} and isinstance(text, str):
            self._write(show_text(text))
        elif line["type"] == "picture":
            console.info(f"{self._host}: the picture is seen")
        elif line["type"] == "prefill":
            self._show_progress(line)
        elif line["type"] in self.ends and not self._at_start:
            self._write("\n")  # before what is reported of the run
            self._at_start = True

    def _show_progress(self, line: LogLine) -> None:
        done, count = line.get("tokens"), line.get("of")
        if isinstance(done, int) and isinstance(count, int) and done < count:
            console.info(f"{self._host}: {done} of {count} tokens of the prompt are read")

    def _write(self, text: str) -> None:
        if not text:
            return
        self._at_start = False
        with self._printing:
            sys.stdout.write(text)
            sys.stdout.flush()


def answer_on_board(
    connection: BoardConnection,
    build: Build,
    conversion: LanguageConversion,
    options: AnswerOptions,
    view: AnswerView,
    run_options: RunOptions,
) -> Answer:
    """The model's answer; the run goes on there when the line is lost, and is followed again."""
    with scratch_folder("prompt") as folder:
        inputs = release_of_paths(_input_files(folder, options), label="a prompt")
        place = release_path(inputs)
        files = ["--prompt-file", f"{place}/{PROMPT_FILE}"]
        files += ["--schema", f"{place}/{SCHEMA_FILE}"] if options.schema else []
        files += shown_words(conversion, place) if options.picture else []
        record = start_language_run(
            connection,
            build,
            conversion,
            TaskInfo(task=GENERATE, shown=options.prompt[:200], live=True),
            [GENERATE, *files, *answer_words(conversion, options)],
            run_options,
            inputs=[inputs],
        )
    done = finish_run(connection, record, live=view)
    return read_answer(done)


def _no_tokenizer(model: LanguageModel) -> WrongInput:
    if model.tokenizer is None:
        return WrongInput(
            f"{model.name} has no tokenizer, so it cannot read a prompt",
            remedy="name one in its YAML",
        )
    return WrongInput(
        f"{model.name} with random weights has no tokenizer, as it sees pictures, and cannot read "
        "a prompt",
        remedy="leave --random-weights away; prove and bench need no tokenizer",
    )


def answer_words(conversion: LanguageConversion, options: AnswerOptions) -> list[str]:
    """nnrun's flags for answers in texts; raises ``WrongInput`` without a tokenizer."""
    if TOKENIZER_FILE not in conversion.files:
        raise _no_tokenizer(conversion.model)
    return ["--tokenizer", TOKENIZER_FILE, *options.arguments(conversion.model.language.eos)]


@contextmanager
def open_shown(
    conversion: LanguageConversion, options: AnswerOptions
) -> Iterator[tuple[list[Release], list[str]]]:
    """The release of the picture of a conversation, where there is one, and nnrun's words."""
    if options.picture is None:
        yield [], []
        return
    with scratch_folder("picture") as folder:
        files = {PICTURE_FILE: write_shown(options.picture, folder)}
        release = release_of_paths(files, label="a picture")
        yield [release], shown_words(conversion, release_path(release))


def _input_files(folder: Path, options: AnswerOptions) -> Mapping[str, Path]:
    prompt = folder / PROMPT_FILE
    prompt.write_text(options.prompt, encoding="utf-8", errors="replace")
    files = {PROMPT_FILE: prompt} | ({SCHEMA_FILE: options.schema} if options.schema else {})
    if options.picture:
        files[PICTURE_FILE] = write_shown(options.picture, folder)
    return files
