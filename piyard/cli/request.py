"""What a command is asked: a frozen record whose fields are its flags, and the task made of it.

Like a dataclass, but made without one: ``--list`` makes all of them, and shall stay quick.
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
        """Says something to type checkers only."""
        return lambda cls: cls


T = TypeVar("T")
D = TypeVar("D")
R = TypeVar("R", bound="Request")

LETTERS = {"host": "H", "model": "m", "target": "t", "format": "f", "dry-run": "n"}
"""One letter only where it means the same in every task: Invoke would give each flag the first
letter that is free, so that ``-h`` is ``--host`` in one task, and ``--help`` in another."""


class Kind(Generic[T]):
    """How the text behind a flag becomes a value."""

    def __init__(
        self,
        value: str,
        convert: Callable[[str, str], T],
        candidates: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.value = value
        """What help calls it; empty for a switch."""
        self.convert = convert
        """From the flag's name and the text; raises ``WrongInput``."""
        self.candidates = candidates
        """What a shell may complete."""

    raw: ClassVar[type] = str

    def read(self, name: str, typed: Any) -> T:
        """The value of what Invoke hands over."""
        return self.convert(name, typed)

    def spec(self) -> str:
        """What stands behind the flag in the help."""
        return f" {self.value}" if self.value else ""

    def text(self, value: Any) -> str:
        """A default as the help shows it; a switch's says ``--no-``, or goes without saying."""
        return "" if value is None or isinstance(value, bool) else str(value)


class Single(Kind[tuple[T, ...]]):
    """One value, for those who take several."""

    def __init__(self, kind: Kind[T]) -> None:
        super().__init__(
            kind.value, lambda name, text: (kind.convert(name, text),), kind.candidates
        )

    def text(self, value: Any) -> str:
        """The values as they would be typed."""
        return ",".join(map(str, value))


class Many(Single[T]):
    """A flag that may be repeated, with several values each time where commas part them."""

    raw: ClassVar[type] = list

    def __init__(self, kind: Kind[T], *, commas: bool) -> None:
        super().__init__(kind)
        self.commas = commas

    def read(self, name: str, typed: Any) -> tuple[T, ...]:
        """All values in their order."""
        parts = [part for text in typed for part in self._parts(name, text)]
        return tuple(value for part in parts for value in self.convert(name, part))

    def _parts(self, name: str, text: str) -> list[str]:
        parts = text.split(",") if self.commas else [text]
        if not all(parts):
            raise WrongInput(
                f"--{name} {text}: a value is empty", remedy="part values by single commas"
            )
        return parts

    def spec(self) -> str:
        """``NAME[,NAME…]``, or ``FILE …`` where only the flag is repeated."""
        return f" {self.value}[,{self.value}…]" if self.commas else f" {self.value} …"


class Switch(Kind[bool]):
    """A flag without a value."""

    raw: ClassVar[type] = bool

    def __init__(self) -> None:
        super().__init__("", lambda _name, typed: bool(typed))


def many(kind: Kind[T], *, commas: bool = True) -> Kind[tuple[T, ...]]:
    """The same kind, several times."""
    return Many(kind, commas=commas)


def single(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """The same kind once, in a tuple."""
    return Single(kind)


TEXT = Kind[str]("TEXT", lambda _name, text: text)
SWITCH: Kind[bool] = Switch()


def text(value: str) -> Kind[str]:
    """Any text, which help calls by that word."""
    return Kind(value, lambda _name, text: text)


REQUIRED: Any = object()


class Flag:
    """A field that the command line can fill."""

    def __init__(self, about: str, kind: Kind[Any], default: Any, name: str) -> None:
        self.about, self.kind, self.default, self.name = about, kind, default, name

    def __deepcopy__(self, _memo: Any) -> Flag:
        return self

    @property
    def required(self) -> bool:
        """Whether the command cannot do without; then its value needs no flag."""
        return self.default is REQUIRED

    @property
    def help(self) -> str:
        """What it does, with its default."""
        usual = "" if self.required else self.kind.text(self.default)
        return f"{self.about} ({usual})" if usual else self.about


@overload
def flag(about: str, kind: Kind[T], *, name: str = "") -> T: ...


@overload
def flag(about: str, kind: Kind[T], *, default: D, name: str = "") -> T | D: ...


def flag(about: str, kind: Kind[Any], *, default: Any = REQUIRED, name: str = "") -> Any:
    """A field of a request that is a flag; ``name`` where it is not the field's."""
    return Flag(about, kind, default, name)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(flag,))
class Request:
    """The base of all: annotated fields, flags or, with a plain default, what no flag changes."""

    _own: ClassVar[Mapping[str, Any]] = {}
    _fields: ClassVar[Mapping[str, Any]] = {}
    _flags: ClassVar[Mapping[str, Flag]] = {}

    def __init_subclass__(cls) -> None:
        """Collect the fields, a class's own before those it shares."""
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
        """The same with other values."""
        return type(self)(**(vars(self) | changes))

    def check(self) -> None:
        """Raise ``WrongInput`` for values that do not go together."""

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """The request of what was typed, by the flags' names; raises ``WrongInput``."""
        values = {}
        for key, flag in cls._flags.items():
            typed = options.get(flag.name.replace("-", "_"))
            if typed or (typed is False and flag.kind.raw is bool):
                values[key] = flag.kind.read(flag.name, typed)
        request = cls(**values)
        request.check()
        return request

    @classmethod
    def arguments(cls) -> list[FlagArgument]:
        """The flags as Invoke wants them, what is required first."""
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
    """A flag for Invoke's parser, which keeps texts only: a value not given is empty."""

    def __init__(self, flag: Flag) -> None:
        self.flag = flag
        names = [flag.name]
        if len(flag.name) == 1:
            names.append(Dashed(f"-{flag.name}"))
        elif flag.name in LETTERS:
            names.append(LETTERS[flag.name])
        super().__init__(
            names=names,
            kind=flag.kind.raw,
            default=self._default(),
            help=flag.help,
            positional=flag.required,
            attr_name=flag.name.replace("-", "_") if "-" in flag.name else None,
        )

    def _default(self) -> Any:
        if self.flag.required:
            return None
        raw = self.flag.kind.raw
        return self.flag.default if raw is bool else raw()

    @property
    def spec(self) -> str:
        """``-f, --format WORD``."""
        flag = self.flag
        letters = [f"-{name}" for name in self.names if len(name) == 1 and name != f"-{name}"]
        long = f"--no-{flag.name}" if flag.default is True else f"--{flag.name}"
        return (
            ", ".join([*(letter for letter in letters if letter != long), long]) + flag.kind.spec()
        )


class Command(Task[Any]):
    """A task of Invoke whose flags are a request's."""

    def __init__(self, request: type[Request], body: Callable[..., None], name: str) -> None:
        super().__init__(body, name=name.rpartition(".")[2], positional=(), auto_shortflags=False)
        self.request, self.full_name = request, name

    def get_arguments(self, *_: Any, **__: Any) -> list[Argument]:
        """Those of the request."""
        return list(self.request.arguments())

    def __eq__(self, other: object) -> bool:
        return self is other  # Invoke compares names and code, and all bodies have the same

    def __hash__(self) -> int:
        return hash(self.full_name)


COMMANDS: list[Command] = []


def command(request: type[R], name: str) -> Callable[[Callable[[R], None]], Command]:
    """Make a task of a function that takes a request; ``fleet.add`` is ``add`` of a group."""

    def register(function: Callable[[R], None]) -> Command:
        def body(_c: Context, **options: Any) -> None:
            function(request.parse(options))

        update_wrapper(body, function)
        task = Command(request, body, name)
        COMMANDS.append(task)
        return task

    return register


def namespace(commands: Sequence[Command]) -> Collection:
    """The tasks as Invoke knows them, in their groups."""
    root, groups = Collection(), dict[str, Collection]()
    for task in commands:
        group, _, name = task.full_name.rpartition(".")
        if group and group not in groups:
            groups[group] = Collection(group)
        (groups[group] if group else root).add_task(task, name=name)
    for subtasks in groups.values():
        root.add_collection(subtasks)
    return root
