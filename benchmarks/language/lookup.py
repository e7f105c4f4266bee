r"""What prompt lookup saves where an answer repeats its prompt: bytes of weights a token.

    .venv/bin/python -m benchmarks.language.lookup
    .venv/bin/python -m benchmarks.language.lookup --model smollm2_135m_instruct --prompt-file FILE

A model is asked to give a text again with something changed, greedily, by nnrun of this machine,
without drafts and with. Each step reads all weights once, whatever it verifies: what counts is how
many tokens a step gives. The tokens must be the same. No time is measured.

Exit code 1 when the tokens differ, or less than --bar times the bytes are saved.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.language.desktop import Here, TokenLine, find_nnrun, read_summary
from piyard.convert.language.conversions import (
    BIN_FILE,
    PARAM_FILE,
    TOKENIZER_FILE,
    LanguageConversion,
)
from piyard.convert.language.converter import convert_language_model
from piyard.convert.language.formats import FORMATS
from piyard.convert.language.plan import plan_language
from piyard.core import console
from piyard.core.errors import PiyardError, UnreadableLog
from piyard.core.parsing import Count
from piyard.core.tables import FORMATS as TABLE_FORMATS
from piyard.core.tables import render_table
from piyard.models.language_models import load_language_model

MODEL = "smollm2_135m_instruct"
TOKENS, DRAFT, BAR = 192, 8, 1.5
TEXT = """\
The harbour of Larvik was built in 1846 by the engineer Anders Holm. It has two stone piers, each \
140 metres long, and a small lighthouse at the end of the northern one. Until 1920 the harbour was \
used by ships that carried timber to England. Today there are mostly fishing boats, and in summer \
many sailing boats from Denmark. The lighthouse was painted red and white in 1951, and its lamp \
can be seen from a distance of eleven miles."""
PROMPT = f"Copy the following text word for word. Change nothing.\n\n{TEXT}"
COLUMNS = ("Model", "Drafts", "Tokens", "Steps", "Drafted", "Accepted", "MB a token", "Text")


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The last line of ``nnrun generate``, of which only this much is read."""

    tokens: Count
    step_tokens: list[Count]
    weight_bytes: Count
    drafted: Count
    accepted: Count


@dataclass(frozen=True)
class Answer:
    """Of one run."""

    tokens: list[int]
    text: str
    summary: Summary

    @property
    def bytes_a_token(self) -> float:
        """Of weights, over all tokens but the first, which the prompt gives."""
        summary = self.summary
        return summary.weight_bytes * len(summary.step_tokens) / max(1, sum(summary.step_tokens))


def ask(conversion: LanguageConversion, nnrun: Path, prompt: str, count: int, draft: int) -> Answer:
    """The answer of a model to what a user says; raises ``UnreadableLog``."""
    files = {"--param": PARAM_FILE, "--bin": BIN_FILE, "--tokenizer": TOKENIZER_FILE}
    words = [str(nnrun), "generate", "--chat", "--prompt", prompt, "--max-tokens", str(count)]
    for flag, name in files.items():
        words += [flag, str(conversion.folder / name)]
    words += ["--lookup", str(draft), "--prefill-threads", "1", "--decode-threads", "1"]
    lines = Here(conversion.folder).run(words).out.splitlines()
    return read_answer(lines)


def read_answer(lines: Sequence[str]) -> Answer:
    """Of what ``nnrun generate`` printed; raises ``UnreadableLog``."""
    try:
        words: list[dict[str, Any]] = [
            msgspec.json.decode(line, type=dict[str, Any])
            for line in lines
            if '"type":"token"' in line
        ]
        ids = [msgspec.convert(word, TokenLine).id for word in words]
    except msgspec.DecodeError as error:
        raise UnreadableLog(f"nnrun generate printed something else: {error}") from None
    summary = read_summary(lines, Summary)
    return Answer(ids, "".join(str(word.get("text", "")) for word in words), summary)


def shown(title: str, plain: Answer, drafted: Answer, form: str) -> str:
    """Both rows, how many times fewer bytes, and the text."""
    pairs = [("without", plain), ("with", drafted)]
    if form == "json":
        rows = [
            msgspec.to_builtins(each) | {"bytes_a_token": each.bytes_a_token} for _, each in pairs
        ]
        return json.dumps({"model": title, "rows": rows, "saving": saving(plain, drafted)})
    cells = [
        [
            *(title, name, str(each.summary.tokens), str(len(each.summary.step_tokens))),
            *(str(each.summary.drafted), str(each.summary.accepted)),
            f"{each.bytes_a_token / 1e6:.1f}",
            "identical" if each.tokens == plain.tokens else "differs",
        ]
        for name, each in pairs
    ]
    table = render_table(COLUMNS, cells, form)
    return f"{table}\n\n{saving(plain, drafted):.2f} times fewer bytes a token\n\n{drafted.text}"


def saving(plain: Answer, drafted: Answer) -> float:
    """How many times fewer bytes a token reads with drafts."""
    return plain.bytes_a_token / drafted.bytes_a_token


def arguments(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=MODEL, help=f"default {MODEL}")
    parser.add_argument("--precision", default="int4", choices=FORMATS)
    parser.add_argument("--prompt-file", type=Path, help="default: copy a text of 90 words")
    parser.add_argument("--tokens", type=int, default=TOKENS, help=f"at most, default {TOKENS}")
    parser.add_argument("--draft", type=int, default=DRAFT, help=f"tokens, default {DRAFT}")
    parser.add_argument("--bar", type=float, default=BAR, help=f"default {BAR}")
    parser.add_argument("--nnrun", type=Path, help="the program; default: built for this machine")
    parser.add_argument("--format", default="plain", choices=TABLE_FORMATS)
    return parser.parse_args(line)


def main() -> int:
    """Ask twice, print, judge."""
    request = arguments()
    try:
        nnrun = find_nnrun(request.nnrun)
        plan = plan_language(load_language_model(request.model), request.precision)
        conversion = convert_language_model(plan)
        prompt = request.prompt_file.read_text() if request.prompt_file else PROMPT
        answers = []
        for draft in (0, request.draft):
            with console.step(f"{conversion.model.title} with drafts of {draft} tokens"):
                answers.append(ask(conversion, nnrun, prompt, request.tokens, draft))
    except PiyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    plain, drafted = answers
    print(shown(conversion.model.title, plain, drafted, request.format))
    return int(plain.tokens != drafted.tokens or saving(plain, drafted) < request.bar)


if __name__ == "__main__":
    sys.exit(main())
