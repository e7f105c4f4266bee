"""A chat template as the texts between messages, so that no template is rendered on a board.

Between two messages a template writes the same text each time, or it is refused: rendered in a
sandbox with messages that can be told apart, then with others, whose texts are compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from piyard.core.errors import ConversionFailed
from piyard.core.files import scratch_folder
from piyard.core.parsing import JsonObject, JsonValues
from piyard.core.sandbox.launch import start_program
from piyard.language.pictures import PICTURE_TOKEN

CHILD = Path(__file__).with_name("chat_child.py")
SECONDS = 60
"""Time that all renderings of a template may take."""
MAX_TEMPLATE = 1 << 20
ROLES = ("system", "user", "assistant")
REASONING_END = "</think>"
REMEDY = "take a template that writes one message after the other, or none: add chat_template.jinja"


CHAT_TEXTS = (
    *("start_system", "system_user", "start_user", "user_assistant", "assistant_user"),
    *("answer", "quiet_answer"),
)
"""In the order of the flat file."""


class Message(NamedTuple):
    """What somebody says."""

    role: str
    content: str


class ChatSegments(msgspec.Struct, frozen=True, kw_only=True):
    """The texts between messages. nnrun: runner/src/text/chat.h."""

    start_system: str | None
    """Before what the system says; None where the template takes no such message."""
    system_user: str
    start_user: str
    """Before the user where no system speaks; it may hold a default for it."""
    user_assistant: str
    assistant_user: str
    answer: str
    """From the user's last message to where the model goes on."""
    quiet_answer: str
    """The same, where the model shall not think first."""
    strips: tuple[bool, bool, bool]
    """Whether blanks around a message are left out, of each of ``ROLES``."""
    drops_reasoning: bool
    """Whether what an assistant thought before its answer is left out."""
    shown: tuple[str, str | None] = ("", None)
    """``start_user`` and ``system_user`` where the user shows a picture first."""

    def render(
        self, messages: Sequence[Message], *, thinks: bool = True, picture: bool = False
    ) -> str:
        """What the template writes: the system perhaps, then user and assistant in turns.

        The user has the last word. A picture comes before its first one.
        """
        text, before = "", "start"
        for message in messages:
            between = getattr(self, f"{before}_{message.role}")
            if picture and message.role == "user" and before in {"start", "system"}:
                between = self.shown[before == "system"]
            text += between + self._content(message)
            before = message.role
        return text + (self.answer if thinks else self.quiet_answer)

    def _content(self, message: Message) -> str:
        content = message.content
        if message.role == "assistant" and self.drops_reasoning:
            content = content.split(REASONING_END)[-1].lstrip("\n")
        return content.strip() if self.strips[ROLES.index(message.role)] else content


def read_chat(template: str, variables: JsonValues, name: str, picture: str = "") -> ChatSegments:
    """The segments of a template; ``variables`` are special tokens, as ``bos_token``.

    With a ``picture``, the text that stands for one, messages are lists of parts, as templates of
    models want them that see pictures. Raises ``ConversionFailed`` where the template is broken, or
    writes anything else.
    """
    if len(template) > MAX_TEMPLATE:
        raise _refuse(name, f"it has {len(template):,} characters")
    form = _in_parts if picture else _as_it_is
    calls = [form(call) for call in [*_PROBES, *_PADDED, _quiet(_PROBES[1])]]
    system, *rest = render_template(template, variables, calls)
    plain = _require(rest.pop(0), name)
    quiet = _require(rest.pop(), name)
    start_user, turn, back, turn_2, back_2, answer = _cut(plain, 1, name)
    if (turn, back) != (turn_2, back_2):
        raise _refuse(name, "what it writes between two messages differs from turn to turn")
    start_system, system_user = _system_parts(system, name)
    padded = [text or "" for text in rest]
    segments = ChatSegments(
        start_system=start_system,
        system_user=system_user,
        start_user=start_user,
        user_assistant=turn,
        assistant_user=back,
        answer=answer,
        quiet_answer=_cut(quiet, 1, name)[-1],
        strips=_find_strips(padded),
        drops_reasoning="qz8zq" not in padded[1],
    )
    if picture:
        shown = _picture_parts(template, variables, name, picture)
        segments = msgspec.structs.replace(segments, shown=shown)
    _check(segments, template, variables, name, form)
    return segments


def render_template(
    template: str, variables: JsonValues, calls: Sequence[JsonObject]
) -> list[str | None]:
    """The text of each call, or None where the template raises an error."""
    request = {"template": template, "variables": dict(variables), "calls": list(calls)}
    with scratch_folder("piyard-chat-") as scratch:
        process = start_program(
            [sys.executable, "-I", str(CHILD)],
            read=[],
            write=[scratch],
            cwd=scratch,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            need="preferred",
        )
        try:
            output, _ = process.popen.communicate(json.dumps(request).encode(), timeout=SECONDS)
            texts = json.loads(output)
        except (subprocess.TimeoutExpired, ValueError):
            return [None] * len(calls)
        finally:
            process.end()
    return [each.get("text") for each in texts]


def _call(*contents: str, first: int = 1) -> JsonObject:
    """Messages from the system (0) or the user (1) on."""
    messages = [
        {"role": ROLES[0] if turn == 0 else ROLES[2 - turn % 2], "content": content}
        for turn, content in enumerate(contents, first)
    ]
    return {"messages": messages, "add_generation_prompt": True}


def _quiet(call: JsonObject) -> JsonObject:
    return {**call, "enable_thinking": False}


def _marks(first: int) -> list[str]:
    return [f"qz{number}zq" for number in range(first, 6)]


def _as_it_is(call: JsonObject) -> JsonObject:
    return call


def _in_parts(call: JsonObject, first: Sequence[dict[str, str]] = ()) -> JsonObject:
    """Messages as lists of parts; the first user's begins with these."""
    messages, begin = [], list(first)
    for message in call["messages"]:
        parts = [{"type": "text", "text": message["content"]}]
        if message["role"] == "user":
            parts, begin = [*begin, *parts], []
        messages.append({**message, "content": parts})
    return {**call, "messages": messages}


def _picture_parts(
    template: str, variables: JsonValues, name: str, picture: str
) -> tuple[str, str | None]:
    """What stands before the first user's words, without and with a system, after a picture."""
    calls = [_in_parts(call, [{"type": "image"}]) for call in _PROBES]
    system, plain = render_template(template, variables, calls)
    before = [_cut(_require(plain, name), 1, name)[0], _system_parts(system, name)[1]]
    for text in before:
        if text and text.count(PICTURE_TOKEN) != 1:
            raise _refuse(name, f"it does not write {PICTURE_TOKEN} once for a picture")
    if not before[0]:
        raise _refuse(name, "it writes nothing for a picture")
    start, between = (text.replace(PICTURE_TOKEN, picture) for text in before)
    return start, between or None


_PROBES = [_call(*_marks(0), first=0), _call(*_marks(1))]
_PADDED = [
    _call(*(f" \n{mark}\n " for mark in _marks(0)), first=0),
    _call("qz1zq", "<think>\nqz8zq\n</think>\n\nqz2zq", "qz3zq"),
    _call(*(f" \n{mark}\n " for mark in _marks(1))),
]


def _require(text: str | None, name: str) -> str:
    if text is None:
        raise _refuse(name, "it cannot be rendered for a user and an assistant in turns")
    return text


def _refuse(name: str, what: str) -> ConversionFailed:
    return ConversionFailed(f"{name}: its chat template: {what}", remedy=REMEDY)


def _cut(text: str, first: int, name: str) -> list[str]:
    """What stands before, between and behind the messages."""
    parts = []
    for mark in _marks(first):
        part, mark_text, text = text.partition(mark)
        if not mark_text or mark in text:
            raise _refuse(name, "it does not write every message once, in their order")
        parts.append(part)
    return [*parts, text]


def _system_parts(text: str | None, name: str) -> tuple[str | None, str]:
    """Nothing for a template that takes no message of the system, or ignores it."""
    if text is None or "qz0zq" not in text:
        return None, ""
    start, between, *_ = _cut(text, 0, name)
    return start, between


def _find_strips(padded: Sequence[str]) -> tuple[bool, bool, bool]:
    text = padded[-1]
    return (
        " \nqz0zq\n " not in padded[0],
        " \nqz1zq\n " not in text,
        " \nqz2zq\n " not in text,
    )


_TALK = (
    ("Hello!",),
    ("  Was \t ist das?\n\n", "Ein Satz.\n", "你好 👋 {{ x }} {% if %}"),
    ("a", "<think>\nHm.\n</think>\n\n b ", "\x1fc\u3000", "d</think>e", "f"),
    ("1", "2", "3", "4", "5", "6", "7", "8", "9"),
)


def _check(
    segments: ChatSegments,
    template: str,
    variables: JsonValues,
    name: str,
    form: Callable[[JsonObject], JsonObject],
) -> None:
    """Other conversations, with and without a system, thinking or not, are as the template's."""
    calls = [_call(*talk) for talk in _TALK]
    if segments.start_system is not None:
        calls += [_call(" Be brief.\n", *talk, first=0) for talk in _TALK]
    calls += [_quiet(call) for call in calls]
    texts = render_template(template, variables, [form(call) for call in calls])
    for call, text in zip(calls, texts, strict=True):
        messages = [Message(**message) for message in call["messages"]]
        if text != segments.render(messages, thinks="enable_thinking" not in call):
            raise _refuse(name, "it is more than one message after the other")
