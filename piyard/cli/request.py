"""Requests: a command's options as a frozen record, whose fields declare its flags.

Like dataclasses or msgspec structs, but without importing either: ``--list`` creates all of them
and has to stay quick.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from piyard.cli.value_types import ValueType
from piyard.core.errors import WrongInput

if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Callable[[type], type]:
        """A stand-in: only type checkers use it."""
        return lambda cls: cls


T = TypeVar("T")
D = TypeVar("D")

REQUIRED: Any = object()


class Flag:
    """A field that is a flag on the command line."""

    def __init__(self, about: str, type: ValueType[Any], default: Any, name: str) -> None:
        self.about, self.type, self.default, self.name = about, type, default, name

    def __deepcopy__(self, _memo: Any) -> Flag:
        return self

    @property
    def required(self) -> bool:
        """Whether the command requires it; its value may then stand without the flag."""
        return self.default is REQUIRED

    def typed(self, value: Any) -> list[str]:
        """The words that set it to that value."""
        if isinstance(value, bool):
            return [f"--{self.name}" if value else f"--no-{self.name}"]
        values = value if isinstance(value, tuple) else [value]
        return [word for each in values for word in (f"--{self.name}", str(each))]

    @property
    def help(self) -> str:
        """The help text, with the default."""
        usual = "" if self.required else self.type.text(self.default)
        return f"{self.about} ({usual})" if usual else self.about


@overload
def flag(about: str, type: ValueType[T], *, name: str = "") -> T: ...


@overload
def flag(about: str, type: ValueType[T], *, default: D, name: str = "") -> T | D: ...


def flag(about: str, type: ValueType[Any], *, default: Any = REQUIRED, name: str = "") -> Any:
    """Declare a field of a request as a flag; ``name`` where it differs from the field's."""
    return Flag(about, type, default, name)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(flag,))
class Request:
    """The base of all requests. A field with a plain default is not on the command line."""

    _own: ClassVar[Mapping[str, object]] = {}
    _fields: ClassVar[Mapping[str, object]] = {}
    _flags: ClassVar[Mapping[str, Flag]] = {}

    def __init_subclass__(cls) -> None:
        """Collect the fields, the class's own before inherited ones."""
        cls._own = {key: vars(cls)[key] for key in cls.__annotations__}
        fields: dict[str, object] = {}
        for base in cls.__mro__:
            for key, value in base.__dict__.get("_own", {}).items():
                fields.setdefault(key, value)
        cls._fields = fields
        cls._flags = {key: value for key, value in fields.items() if isinstance(value, Flag)}
        for key, flag in cls._flags.items():
            flag.name = flag.name or key.replace("_", "-")

    def __init__(self, **values: Any) -> None:
        if strange := values.keys() - self._fields.keys():
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(strange))}")
        for key, default in self._fields.items():
            value = values.get(key, default.default if isinstance(default, Flag) else default)
            if value is REQUIRED:
                raise TypeError(f"{type(self).__name__} needs {key}")
            self.__dict__[key] = value

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __repr__(self) -> str:
        fields = ", ".join(f"{key}={value!r}" for key, value in vars(self).items())
        return f"{type(self).__name__}({fields})"

    def replace(self, **changes: Any) -> Self:
        """A copy with some values changed."""
        return type(self)(**(vars(self) | changes))

    def check(self) -> None:
        """Raise ``WrongInput`` for values that contradict each other."""

    def typed(self) -> list[str]:
        """The words that make this request: required values, then flags that were set."""
        words: list[str] = []
        for key, flag in sorted(self._flags.items(), key=lambda item: not item[1].required):
            value = getattr(self, key)
            if flag.required:
                words.append(flag.type.text(value))
            elif value != flag.default:
                words += flag.typed(value)
        return words

    @classmethod
    def parse(cls, options: Mapping[str, object]) -> Self:
        """A request from parsed texts, by the flags' names; raises ``WrongInput``."""
        values = {}
        for key, flag in cls._flags.items():
            typed = options.get(flag.name.replace("-", "_"))
            if typed or (typed is False and flag.type.raw is bool):
                values[key] = flag.type.read(flag.name, typed)
        request = cls(**values)
        request.check()
        return request

    @classmethod
    def flags(cls) -> list[Flag]:
        """The fields that are flags, in their order."""
        return list(cls._flags.values())


def require_known_flags(request: Request, allowed: Collection[str], what: str) -> None:
    """Raise ``WrongInput`` for a flag that was given and says nothing to ``what``."""
    for word in request.typed():
        if word.startswith("--") and word.removeprefix("--") not in allowed:
            raise WrongInput(f"{word} says nothing to {what}", remedy=f"leave out {word}")
