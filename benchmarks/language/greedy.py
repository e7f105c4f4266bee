r"""Texts that language models continue greedily: nnrun's, the original's, and transformers'.

    .venv/bin/python -m benchmarks.language.greedy
    .venv/bin/python -m benchmarks.language.greedy --model smollm2_135m_instruct --tokens 256
    PYTHONPATH=FOLDER .venv/bin/python -m benchmarks.language.greedy --transformers

nnrun computes the decoder in fp32 on this machine, a token after the other, as it does on a board.
The original is piyard's torch module with the same weights; with --transformers the package
transformers, where it can be imported, computes the same weights as an independent witness. The
least margin says how near a tie the choice was anywhere: the likeliest token's logit above the next
one's. Tokens that would end the text do not end it here.

Exit code 1 when a token differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.language.desktop import MODELS, Subject, find_nnrun, generate
from piyard.convert.language.formats import FORMATS
from piyard.core import console
from piyard.core.errors import PiyardError
from piyard.core.tables import FORMATS as TABLE_FORMATS
from piyard.core.tables import render_table
from piyard.core.text import NOT_KNOWN
from piyard.models.architectures.classifiers import torchvision_models
from piyard.models.transformer_files import EMBEDDING, OUTPUT, tensor_shapes

if TYPE_CHECKING:
    from piyard.models.architectures.transformer import Decoder

TOKENS = 128
PROMPTS = ("", "Once upon a time", "The little dog ran to the park because")
COLUMNS = ("Model", "Prompt", "Tokens", "nnrun", "transformers", "Least margin")


@dataclass(frozen=True)
class Row:
    """One prompt and how it went on."""

    model: str
    prompt: str
    tokens: list[int]
    """The original's."""
    margin: float
    """The least distance of the two largest logits, over all tokens."""
    nnrun: int
    """Tokens until the first that differs: all of them, or fewer."""
    transformers: int | None
    text: str

    @property
    def well(self) -> bool:
        """Whether all are the same."""
        return all(same in {None, len(self.tokens)} for same in (self.nnrun, self.transformers))

    @property
    def cells(self) -> list[str]:
        """Of the table."""
        return [
            *(self.model, self.prompt or "(none)", str(len(self.tokens))),
            *(_described(same, len(self.tokens)) for same in (self.nnrun, self.transformers)),
            f"{self.margin:.2g}",
        ]


def _described(same: int | None, tokens: int) -> str:
    if same is None:
        return NOT_KNOWN
    return "identical" if same == tokens else f"differs at {same + 1}"


def continue_greedily(
    decoder: Decoder, prompt: Sequence[int], count: int
) -> tuple[list[int], float]:
    """The likeliest tokens one after the other, and the least margin of a choice."""
    caches, tokens, margin = decoder.new_caches(), list[int](), float("inf")
    ids = torch.tensor(list(prompt))
    with torch.no_grad():
        for _ in range(count):
            best = decoder(ids, caches)[-1].topk(2)
            ids = best.indices[:1]
            tokens.append(int(ids))
            margin = min(margin, float(best.values[0] - best.values[1]))
    return tokens, margin


def shared_start(ours: Sequence[int], theirs: Sequence[int]) -> int:
    """How many tokens at the beginning are the same."""
    pairs = enumerate(zip(ours, theirs, strict=False))
    differing = (place for place, (our_token, their_token) in pairs if our_token != their_token)
    return next(differing, min(len(ours), len(theirs)))


def load_witness(subject: Subject) -> Any:
    """The model as the package transformers has it, with the same weights."""
    torchvision_models()  # transformers imports torchvision, which must go with this torch
    transformers = import_module("transformers")
    source = subject.source
    config = source.config
    described = transformers.AutoConfig.for_model(
        config.family,
        vocab_size=config.vocabulary,
        hidden_size=config.hidden,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.head_dim,
        intermediate_size=config.feed_forward,
        rms_norm_eps=config.norm_eps,
        rope_theta=config.rope_theta,
        max_position_embeddings=config.context,
        tie_word_embeddings=config.tied,
    )
    model = transformers.AutoModelForCausalLM.from_config(described, dtype=torch.float32)
    state = {name: torch.from_numpy(source.read(name)) for name in tensor_shapes(config)}
    if config.tied:
        state[OUTPUT] = state[EMBEDDING]
    model.load_state_dict(state)
    return model.eval()


def continue_by_witness(model: Any, prompt: Sequence[int], count: int) -> list[int]:
    """What transformers' own ``generate`` gives, greedily and without an end."""
    ids = torch.tensor([list(prompt)])
    fixed = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    with torch.no_grad():
        output = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, **fixed
        )
    tokens: list[int] = output[0, len(prompt) :].tolist()
    return tokens


def compare(
    subject: Subject, nnrun: Path, prompts: Sequence[str], count: int, *, with_witness: bool
) -> list[Row]:
    """A row of each prompt that has a token."""
    witness = load_witness(subject) if with_witness else None
    rows = []
    with tempfile.TemporaryDirectory(prefix="piyard-greedy-") as scratch:
        folder = Path(scratch)
        net = subject.write(FORMATS["fp32"], folder)
        for text in prompts:
            prompt = subject.encode(text)
            with console.step(f"{subject.title}: {text or 'no prompt'}"):
                expected, margin = continue_greedily(subject.decoder, prompt, count)
                ours, _ = generate(nnrun, net, prompt, count, folder)
                theirs = continue_by_witness(witness, prompt, count) if witness else None
            row = Row(
                model=subject.title,
                prompt=text,
                tokens=expected,
                margin=margin,
                nnrun=shared_start(ours, expected),
                transformers=None if theirs is None else shared_start(theirs, expected),
                text=subject.tokenizer.decode(expected),
            )
            rows.append(row)
    return rows


def shown(rows: Sequence[Row], form: str) -> str:
    """The table, and each text below it; as JSON all of it."""
    if form == "json":
        return json.dumps([asdict(row) | {"well": row.well} for row in rows], indent=2)
    table = render_table(COLUMNS, [row.cells for row in rows], form)
    texts = [f"{row.model}: {row.prompt}|{row.text}" for row in rows]
    return "\n\n".join([table, *texts])


def arguments(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", action="append", help=f"default {', '.join(MODELS)}")
    parser.add_argument("--prompt", action="append", help="default: none, and two beginnings")
    parser.add_argument("--tokens", type=int, default=TOKENS, help=f"default {TOKENS}")
    parser.add_argument("--transformers", action="store_true", help="ask that package too")
    parser.add_argument("--nnrun", type=Path, help="the program; default: built for this machine")
    parser.add_argument("--format", default="plain", choices=TABLE_FORMATS)
    return parser.parse_args(line)


def main() -> int:
    """Compare, print, judge."""
    request = arguments()
    torch.set_num_threads(1)  # a single row is too little work to share
    try:
        nnrun = find_nnrun(request.nnrun)
        rows = [
            row
            for name in request.model or MODELS
            for row in compare(
                Subject(name),
                nnrun,
                request.prompt or PROMPTS,
                request.tokens,
                with_witness=request.transformers,
            )
        ]
    except PiyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(shown(rows, request.format))
    return int(not all(row.well for row in rows))


if __name__ == "__main__":
    sys.exit(main())
