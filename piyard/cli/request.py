"""Requests: a command's options as a frozen record, whose fields declare its flags.

Like dataclasses or msgspec structs, but without importing either: ``--list`` creates all of them
and has to stay quick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

from invoke.collection import Collection
from invoke.context import Context
from invoke.parser import Argument
from invoke.tasks import Task

from piyard.core.errors import WrongInput

if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Callable[[type], type]:
        """A stand-in: only type checkers use it."""
        return lambda cls: cls


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
D = TypeVar("D")
R = TypeVar("R", bound="Request")

LETTERS = {"host": "H", "model": "m", "target": "t", "format": "f", "dry-run": "n"}
"""One letter only where it means the same in every task: Invoke would give each flag the first
letter that is free, so that ``-h`` is ``--host`` in one task, and ``--help`` in another."""


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

    _own: ClassVar[Mapping[str, Any]] = {}
    _fields: ClassVar[Mapping[str, Any]] = {}
    _flags: ClassVar[Mapping[str, Flag]] = {}

    def __init_subclass__(cls) -> None:
        """Collect the fields, the class's own before inherited ones."""
        cls._own = {key: vars(cls)[key] for key in cls.__annotations__}
        fields: dict[str, Any] = {}
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
    def parse(cls, options: Mapping[str, Any]) -> Self:
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
    def arguments(cls) -> list[FlagArgument]:
        """The flags as Invoke's arguments."""
        return [FlagArgument(flag) for flag in cls._flags.values()]


class Dashed(str):
    """``-a`` as the name of a flag: Invoke puts one more dash before a name of one letter."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1

    def lstrip(self, *_: Any) -> Dashed:
        """Invoke strips underscores and would lose the type."""
        return self

    rstrip = replace = lstrip


class FlagArgument(Argument):
    """A flag for Invoke's parser. Its values are texts; one that was not given is empty."""

    def __init__(self, flag: Flag) -> None:
        self.flag = flag
        names = [flag.name]
        if len(flag.name) == 1:
            names.append(Dashed(f"-{flag.name}"))
        elif flag.name in LETTERS:
            names.append(LETTERS[flag.name])
        super().__init__(
            names=names,
            kind=flag.type.raw,
            default=self._default(),
            help=flag.help,
            positional=flag.required,
            attr_name=flag.name.replace("-", "_") if "-" in flag.name else None,
        )

    def _default(self) -> Any:
        if self.flag.required:
            return None
        raw = self.flag.type.raw
        return self.flag.default if raw is bool else raw()

    @property
    def spec(self) -> str:
        """``-f, --format WORD``."""
        flag = self.flag
        letters = [f"-{name}" for name in self.names if len(name) == 1 and name != f"-{name}"]
        long = f"--no-{flag.name}" if flag.default is True else f"--{flag.name}"
        return (
            ", ".join([*(letter for letter in letters if letter != long), long]) + flag.type.spec()
        )


class Command(Task[Any]):
    """An Invoke task whose flags are the fields of a request."""

    def __init__(self, request: type[Request], body: Callable[..., None], name: str) -> None:
        super().__init__(body, name=name.rpartition(".")[2], positional=(), auto_shortflags=False)
        self.request, self.full_name = request, name

    def get_arguments(self, *_: Any, **__: Any) -> list[Argument]:
        """The arguments of the request."""
        return list(self.request.arguments())

    def __eq__(self, other: object) -> bool:
        return self is other  # Invoke compares names and code, and all bodies have the same

    def __hash__(self) -> int:
        return hash(self.full_name)


COMMANDS: list[Command] = []


def command(request: type[R], name: str) -> Callable[[Callable[[R], None]], Command]:
    """Turn a function of a request into a task; ``fleet.add`` is ``add`` in the group ``fleet``."""

    def register(function: Callable[[R], None]) -> Command:
        def body(_c: Context, **options: Any) -> None:
            function(request.parse(options))

        update_wrapper(body, function)
        task = Command(request, body, name)
        COMMANDS.append(task)
        return task

    return register


def namespace(commands: Sequence[Command]) -> Collection:
    """The collection of tasks, in their groups."""
    root, groups = Collection(), dict[str, Collection]()
    for task in commands:
        group, _, name = task.full_name.rpartition(".")
        if group and group not in groups:
            groups[group] = Collection(group)
        (groups[group] if group else root).add_task(task, name=name)
    for subtasks in groups.values():
        root.add_collection(subtasks)
    return root
