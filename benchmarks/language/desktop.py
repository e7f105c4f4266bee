"""nnrun of this machine at work on models with real weights, beside their originals in torch."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from benchmarks.counted.machine import Output
from benchmarks.language.own import Net
from piyard.build.builder import build_nnrun
from piyard.convert.language.formats import Formats
from piyard.convert.language.fused_graph import write_decoder
from piyard.convert.language.plan import LanguagePlan, plan_language
from piyard.core.errors import JobsFailed, UnreadableLog, WrongInput
from piyard.core.parsing import Count
from piyard.core.target import load_target
from piyard.measure.counted.layers import EVIDENCE_BYTES
from piyard.models.language_models import load_language_model
from piyard.models.transformer_files import TensorSource, load_decoder

S = TypeVar("S", bound=msgspec.Struct)

TINY_MODELS = ("stories260k", "tinystories_656k")
MODELS = (*TINY_MODELS, "smollm2_135m_instruct")
"""Those whose weights are small, or are in a package."""


class TokenLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="token"):
    """A token that ``nnrun generate`` has given."""

    id: Count


@dataclass(frozen=True)
class Here:
    """This machine, as ``counted.machine.Machine`` is the emulated one."""

    folder: Path

    def run(self, argv: Sequence[str]) -> Output:
        """Run it; raises ``JobsFailed`` when it ends badly."""
        done = subprocess.run(
            list(argv), capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode:
            raise JobsFailed(
                f"{shlex.join(argv)}: exit code {done.returncode}",
                evidence=(done.stderr + done.stdout)[-EVIDENCE_BYTES:],
            )
        return Output(out=done.stdout, err=done.stderr)


@dataclass(frozen=True)
class Subject:
    """A model of models/language/ with its own weights, which must be at hand."""

    name: str

    @cached_property
    def plan(self) -> LanguagePlan:
        """Of its conversion; raises ``PiyardError`` where weights or tokenizer are missing."""
        return plan_language(load_language_model(self.name), "fp32")

    @property
    def title(self) -> str:
        """For people."""
        return self.plan.model.title

    @property
    def source(self) -> TensorSource:
        """Its tensors."""
        source: TensorSource = self.plan.source
        return source

    @cached_property
    def tokenizer(self) -> Any:
        """The package's ``Tokenizer``."""
        from tokenizers import Tokenizer

        if self.plan.tokenizer is None:
            raise WrongInput(f"{self.title} has no tokenizer here")
        return Tokenizer.from_buffer(self.plan.tokenizer.read_json())

    @cached_property
    def decoder(self) -> Any:
        """The original, ``transformer.Decoder``."""
        return load_decoder(self.source)

    def encode(self, text: str) -> list[int]:
        """Its tokens, with those that the tokenizer adds; of no text, the begin token."""
        ids: list[int] = self.tokenizer.encode(text).ids
        bos = self.source.config.bos
        return ids or ([] if bos is None else [bos])

    def write(self, formats: Formats, folder: Path) -> Net:
        """nnrun's files in that precision, rounded to nearest."""
        net = Net(folder / "net.param", folder / "net.bin", self.source.config.vocabulary)
        write_decoder(self.source, formats, net.param, net.bin)
        return net


def find_nnrun(program: Path | None) -> Path:
    """That one, or one that is built for this machine."""
    return program or build_nnrun(load_target("desktop")).nnrun


def save_tokens(tokens: Sequence[int], folder: Path) -> Path:
    """As nnrun reads them."""
    np.save(folder / "tokens.npy", np.asarray(tokens, "<i4"))
    return folder / "tokens.npy"


def read_summary(lines: Sequence[str], kind: type[S]) -> S:
    """What is read of the last line of ``nnrun generate``; raises ``UnreadableLog``."""
    try:
        return msgspec.json.decode(lines[-1], type=kind)
    except (IndexError, msgspec.DecodeError) as error:
        raise UnreadableLog(f"nnrun generate has no summary: {error}") from None


def generate(
    nnrun: Path, net: Net, prompt: Sequence[int], count: int, folder: Path, *flags: str
) -> tuple[list[int], dict[str, Any]]:
    """The tokens that nnrun gives, one thread and a cache of fp32, and its summary."""
    line = [str(nnrun), "generate", *net.flags, "--tokens", str(save_tokens(prompt, folder))]
    line += ["--cache", "fp32", "--prefill-threads", "1", "--decode-threads", "1"]
    line += ["--max-tokens", str(count), *flags]
    lines = Here(folder).run(line).out.splitlines()
    try:
        summary: dict[str, Any] = msgspec.json.decode(lines[-1], type=dict[str, Any])
        tokens = [each for each in lines if '"type":"token"' in each]
        ids = [msgspec.json.decode(each, type=TokenLine).id for each in tokens]
    except (IndexError, msgspec.DecodeError) as error:
        raise UnreadableLog(f"nnrun generate printed something else: {error}") from None
    return ids, summary
