"""A chat template becomes the texts between messages; one that does more is refused."""

from __future__ import annotations

import pytest

from piyard.core.errors import ConversionFailed
from piyard.language.tokenizer.chat import Message, read_chat, render_template
from tests.support.chat_templates import ALL, CHATML, NOT_SEGMENTS, SPECIAL, THINKING


@pytest.mark.parametrize("name", ALL)
def test_segments_say_what_the_template_says(name):
    segments = read_chat(ALL[name], SPECIAL, name)
    contents = [" Hi \n", "Good day,\n", "what\tnow? ", "<think>x</think>\n\nbye ", "…"]
    messages = [
        {"role": ("user", "assistant")[turn % 2], "content": text}
        for turn, text in enumerate(contents)
    ]
    if segments.start_system is not None:
        messages.insert(0, {"role": "system", "content": " Be brief. "})
    call = {"messages": messages, "add_generation_prompt": True}
    quiet = {**call, "enable_thinking": False}
    reference = [Message(**message) for message in messages]
    assert render_template(ALL[name], SPECIAL, [call, quiet]) == [
        segments.render(reference),
        segments.render(reference, thinks=False),
    ]


def test_a_default_for_the_system_is_kept():
    segments = read_chat(CHATML, SPECIAL, "x")
    assert segments.start_user == ("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n")
    assert segments.start_system == "<|im_start|>system\n"


def test_thinking_can_be_left_out():
    segments = read_chat(THINKING, SPECIAL, "x")
    assert segments.drops_reasoning
    assert segments.quiet_answer == segments.answer + "<think>\n\n</think>\n\n"


@pytest.mark.parametrize("name", [name for name in NOT_SEGMENTS if name != "no end"])
def test_a_template_that_does_more_is_refused(name):
    with pytest.raises(ConversionFailed) as caught:
        read_chat(NOT_SEGMENTS[name], SPECIAL, "x/tokenizer.json")
    assert "x/tokenizer.json: its chat template" in str(caught.value)
    assert str(caught.value).count("\n") == 1


def test_a_template_without_an_end_is_ended(monkeypatch):
    monkeypatch.setattr("piyard.language.tokenizer.chat.SECONDS", 1)
    with pytest.raises(ConversionFailed, match="cannot be rendered"):
        read_chat(NOT_SEGMENTS["no end"], SPECIAL, "x")
