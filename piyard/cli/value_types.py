"""How the text behind a flag becomes a value: single, repeated, or a switch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, TypeVar

from piyard.core.errors import WrongInput

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ValueType(Generic[T_co]):
    """How the text behind a flag becomes a value."""

    def __init__(
        self,
        value: str,
        convert: Callable[[str, str], T_co],
        candidates: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.value = value
        """Its name in the help; empty for a switch."""
        self.convert = convert
        """Takes the flag's name and the text; raises ``WrongInput``."""
        self.candidates = candidates
        """Lists values for shell completion."""

    raw: ClassVar[type] = str

    def read(self, name: str, typed: Any) -> T_co:
        """The value, from what Invoke parsed."""
        return self.convert(name, typed)

    def spec(self) -> str:
        """The part after the flag in the help."""
        return f" {self.value}" if self.value else ""

    def text(self, value: Any) -> str:
        """A default as the help shows it; none for switches."""
        return "" if value is None or isinstance(value, bool) else str(value)


class Single(ValueType[tuple[T, ...]]):
    """A single value, stored as a tuple."""

    def __init__(self, element: ValueType[T]) -> None:
        super().__init__(
            element.value, lambda name, text: (element.convert(name, text),), element.candidates
        )

    def text(self, value: Any) -> str:
        """The values as a user would type them."""
        return ",".join(map(str, value))


class Many(Single[T]):
    """A flag that may be repeated, each time with one value or, with ``commas``, a list."""

    raw: ClassVar[type] = list

    def __init__(self, element: ValueType[T], *, commas: bool) -> None:
        super().__init__(element)
        self.commas = commas

    def read(self, name: str, typed: Any) -> tuple[T, ...]:
        """All values in their order."""
        parts = [part for text in typed for part in self._parts(name, text)]
        return tuple(value for part in parts for value in self.convert(name, part))

    def _parts(self, name: str, text: str) -> list[str]:
        parts = text.split(",") if self.commas else [text]
        if not all(parts):
            raise WrongInput(
                f"{f'--{name} {text}'.rstrip()}: a value is empty",
                remedy="separate values by single commas",
            )
        return parts

    def spec(self) -> str:
        """``NAME[,NAME…]``, or ``FILE …`` where only the flag is repeated."""
        return f" {self.value}[,{self.value}…]" if self.commas else f" {self.value} …"


class Switch(ValueType[bool]):
    """A flag without a value."""

    raw: ClassVar[type] = bool

    def __init__(self) -> None:
        super().__init__("", lambda _name, typed: bool(typed))


def many(element: ValueType[T], *, commas: bool = True) -> ValueType[tuple[T, ...]]:
    """The same type, repeatable."""
    return Many(element, commas=commas)


def single(element: ValueType[T]) -> ValueType[tuple[T, ...]]:
    """The same type, not repeatable, stored as a tuple."""
    return Single(element)


def _read_text(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        # Python keeps a byte that is no UTF-8 as 0xdc00 and more.
        byte = ord(text[error.start]) & 0xFF
        raise WrongInput(
            f"--{name} is no UTF-8: byte 0x{byte:02x} after {error.start} characters",
            remedy="give it in UTF-8",
        ) from None
    return text


TEXT = ValueType[str]("TEXT", _read_text)
"""What people read, or a model: not the name of a file, which may be any bytes."""
SWITCH: ValueType[bool] = Switch()


def text(value: str) -> ValueType[str]:
    """Any text; ``value`` stands for it in the help."""
    return ValueType(value, lambda _name, text: text)
