"""A text → the tokens that an encoder of texts takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.core.errors import WrongInput
from piyard.core.text import sanitize_line
from piyard.vision.schema import TextConfig

if TYPE_CHECKING:
    from tokenizers import Tokenizer


PLACE = "{}"
MASKED = -10000.0
"""Added to the scores of what a token may not look at: fits into fp16, its exponential is 0."""
SHOWN = 40
"""Characters of a text in a message."""


def fill_prompt(prompt: str, label: str) -> str:
    """What is said of a label."""
    return prompt.replace(PLACE, label)


def encode_text(tokenizer: Tokenizer, config: TextConfig, text: str) -> list[int]:
    """The ids, from the one that starts a text to the one that ends it.

    Raises ``WrongInput`` for a text that does not fit: cut short it would mean something else.
    """
    words: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    ids = [*([] if config.start is None else [config.start]), *words, config.end]
    if len(ids) > config.context:
        raise WrongInput(
            f"'{sanitize_line(text)[:SHOWN]}…' has {len(ids)} tokens with those at its ends, and "
            f"the limit is {config.context}",
            remedy="shorten it",
        )
    return ids + [config.end] * (config.context - len(ids) if config.filled else 0)
