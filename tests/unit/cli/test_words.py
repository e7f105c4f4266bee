"""What words on the command line mean, and how a mistake in them is told."""

from __future__ import annotations

from typing import Any

import pytest
from invoke.collection import Collection
from invoke.parser import ParserContext

from piyard.cli import words
from piyard.cli.command import LETTERS, Command, flag_arguments
from piyard.cli.program import Program
from piyard.cli.request import Request, flag
from piyard.cli.value_types import SWITCH, many, text
from piyard.cli.words import requested_help
from piyard.core.errors import WrongInput
from tasks import namespace


class MeasureRequest(Request):
    hosts: tuple[str, ...] = flag("where", many(text("NAME")), default=(), name="host")
    threads: tuple[str, ...] = flag("how many", many(text("N")), default=())
    format: str = flag("how it looks", text("FORMAT"), default="plain")
    dry_run: bool = flag("only say it", SWITCH, default=False)
    draw: bool = flag("bring no pictures", SWITCH, default=True)


class CompareRequest(Request):
    a: str = flag("one", text("RUN"))
    b: str = flag("the other", text("RUN"))
    across: str = flag("what may differ", text("NAME"), default="")


def tell(_request: Request) -> None: ...


measure = Command(MeasureRequest, tell, "measure")
compare = Command(CompareRequest, tell, "compare")


TASKS = {c.name: c for c in Collection(measure, compare).to_contexts() if c.name}
NOTHING = {"host": [], "threads": [], "format": "", "dry_run": False, "draw": True}


def read(*typed: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (str(parse_word.name), parse_word.as_kwargs)
        for parse_word in words.parse_words(typed, TASKS)
    ]


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("", {}),
        ("--host a --host=b -H c -Hd -H=e", {"host": ["a", "b", "c", "d", "e"]}),
        ("--threads -1 --threads=-2", {"threads": ["-1", "-2"]}),
        ("--format=--json", {"format": "--json"}),
        ("--format a=b", {"format": "a=b"}),
        ("--format=a=b", {"format": "a=b"}),
        ("-nf json", {"dry_run": True, "format": "json"}),
        ("-n -n --dry-run", {"dry_run": True}),
        ("--no-draw", {"draw": False}),
        ("--host compare", {"host": ["compare"]}),
        ("--host -", {"host": ["-"]}),
    ],
)
def test_flags_have_values(typed: str, values: dict[str, Any]) -> None:
    assert read("measure", *typed.split()) == [("measure", NOTHING | values)]


def test_words_without_a_flag_fill_what_the_task_needs() -> None:
    expected = [("compare", {"a": "x", "b": "measure", "across": "build"})]
    assert read("compare", "x", "--across", "build", "measure") == expected
    assert read("compare", "--b", "measure", "x", "--across", "build") == expected
    assert read("compare", "-b=measure", "-a", "x", "--across", "build") == expected


def test_several_tasks_keep_their_own_values() -> None:
    assert read("measure", "-H", "a", "compare", "x", "y", "measure", "-n") == [
        ("measure", NOTHING | {"host": ["a"]}),
        ("compare", {"a": "x", "b": "y", "across": ""}),
        ("measure", NOTHING | {"dry_run": True}),
    ]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("mesure", "unknown task 'mesure', did you mean 'measure'?"),
        ("measure --host", "--host needs a value"),
        ("measure -H", "-H needs a value"),
        ("measure --host --dry-run", "--host needs a value, and '--dry-run' is a flag"),
        ("measure --host a --host", "--host needs a value"),
        ("measure --host --no-such", "--host needs a value, and '--no-such' is a flag"),
        ("measure --host a b", "'b' is neither a task nor a value that measure takes there"),
        ("measure --host=", "--host is empty"),
        ("measure --theads 4", "unknown flag '--theads' of measure, did you mean '--threads'?"),
        ("measure --thr 4", "unknown flag '--thr' of measure, did you mean '--threads'?"),
        ("measure --dry", "unknown flag '--dry' of measure, did you mean '--dry-run'?"),
        ("measure --dry_run", "unknown flag '--dry_run' of measure, did you mean '--dry-run'?"),
        ("measure -host a", "unknown flag '-host' of measure, did you mean '--host'?"),
        ("measure -h", "unknown flag '-h' of measure"),
        ("measure -nx", "unknown flag '-x' of measure"),
        ("measure --no-host", "unknown flag '--no-host' of measure"),
        ("measure --dry-run=no", "--dry-run takes no value"),
        ("measure --no-draw=1", "--no-draw takes no value"),
        ("measure --draw --no-draw", "--no-draw contradicts a flag before it"),
        ("measure --format a --format a", "--format is given twice"),
        ("compare x", "compare needs: b"),
        ("compare", "compare needs: a, b"),
        ("compare x y z", "'z' is neither a task nor a value that compare takes there"),
        ("compare x -y", "unknown flag '-y' of compare"),
        ("--dry-run measure", "unknown flag '--dry-run' before any task"),
    ],
)
def test_a_mistake_is_named_with_what_is_meant(typed: str, said: str) -> None:
    with pytest.raises(WrongInput) as caught:
        read(*typed.split())
    assert caught.value.what.startswith(said)
    assert caught.value.remedy


def test_an_empty_word_is_no_value() -> None:
    for typed in (["measure", "--host", ""], ["measure", "-H", ""], ["compare", "", "x"]):
        with pytest.raises(WrongInput, match="is empty"):
            read(*typed)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        *(("measure -h", "measure"), ("measure --help", "measure"), ("measure -hx", "measure")),
        *(("measure --help=x", "measure"), ("measure --host -h", "measure"), ("-h", "")),
        *(("compare -h", "compare"), ("compare --host x --help", "compare"), ("-x -h", "")),
        *(("measure --host compare -h", "measure"), ("measure compare -h x", "compare")),
        *(("-x --help compare", "compare"), ("measure --format=-h", None), ("measure", None)),
    ],
)
def test_help_is_asked_for_anywhere(typed: str, name: str | None) -> None:
    assert requested_help(typed.split(), TASKS) == name


def contexts() -> list[ParserContext]:
    return [*Collection.from_module(__import__("tasks")).to_contexts()]


def test_a_letter_means_the_same_in_every_task() -> None:
    short = {letter: long for long, letter in LETTERS.items()}
    for context in contexts():
        for argument in context.args.values():
            letters = [str(name) for name in argument.names if len(str(name)) == 1]
            own = len(str(argument.names[0])) == 1  # ab's -a, which is its whole name
            assert own or all(short[letter] == argument.names[0] for letter in letters)
            assert "h" not in letters
    assert namespace


def test_a_command_that_prints_a_table_takes_its_format() -> None:
    tables = {str(context.name) for context in contexts() if "format" in context.args}
    assert tables == {
        *(
            "ab",
            "attach",
            "bench",
            "chat",
            "compare",
            "compress",
            "deploy-bench",
            "evaluate",
            "history",
            "prove",
        ),
        *("data", "report", "run", "runs", "search", "board.list", "model.add", "model.list"),
        *(f"fleet.{name}" for name in ("doctor", "exec", "facts", "gc", "list", "locks", "places")),
    }


def test_help_shows_what_every_flag_takes() -> None:
    shown = {argument.spec: argument.help for argument in flag_arguments(MeasureRequest)}
    assert shown == {
        "-H, --host NAME[,NAME…]": "where",
        "--threads N[,N…]": "how many",
        "-f, --format FORMAT": "how it looks (plain)",
        "-n, --dry-run": "only say it",
        "--no-draw": "bring no pictures",
    }
    assert [argument.spec for argument in flag_arguments(CompareRequest)] == [
        *("-a, --a RUN", "-b, --b RUN", "--across NAME")
    ]


@pytest.mark.parametrize("name", sorted(str(context.name) for context in contexts()))
def test_every_task_has_such_a_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    program = Program(name="piyard", binary="piyard", namespace=namespace)
    program.run(["piyard", name, "--help"], exit=False)
    usage, _, _, about, _, _, *flags = capsys.readouterr().out.splitlines()
    command = namespace[name]
    assert about.strip() == command.__doc__
    arguments = sorted(flag_arguments(command.request), key=lambda each: not each.positional)
    needed = [each.flag.type.value for each in arguments if each.positional]
    assert usage.startswith(" ".join(["Usage: piyard [--core-opts]", name, *needed]))
    specs = [line.split("   ")[0].strip() for line in flags if line.startswith("  -")]
    assert specs == [each.spec for each in arguments]
    assert all(each.flag.type.value or each.kind is bool for each in arguments)


def test_a_list_may_be_parted_by_commas() -> None:
    typed = {"host": ["a,b", "c"], "threads": ["1"]}
    request = MeasureRequest.parse(typed)
    assert (request.hosts, request.threads) == (("a", "b", "c"), ("1",))
    with pytest.raises(WrongInput, match="--host a,: a value is empty"):
        MeasureRequest.parse({"host": ["a,"]})


def test_a_request_is_frozen_and_takes_its_own_fields_only() -> None:
    request = MeasureRequest.parse({"format": "json"})
    assert request.replace(dry_run=True).format == "json"
    with pytest.raises(AttributeError, match="is frozen"):
        request.format = "csv"  # type: ignore[misc]
    with pytest.raises(TypeError, match="has no field formt"):
        request.replace(formt="csv")
    with pytest.raises(TypeError, match="needs a"):
        CompareRequest.parse({})
