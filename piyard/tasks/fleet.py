"""Tasks about the boards you own."""

from __future__ import annotations

from invoke.context import Context

from piyard.tasks import texts
from piyard.tasks.letters import task

BOARDS = {name: text for name, text in texts.BOARDS.items() if name != "target"}
SHOWN = BOARDS | {"format": texts.FORMAT}


@task(name="list", iterable=["host"], help={"host": texts.HOST, "format": texts.FORMAT})
def listed(_c: Context, host: list[str], format: str = "plain") -> None:
    """The boards of the inventory; asks none of them."""
    from piyard.commands import fleet

    fleet.listed(host, format)


@task(
    iterable=["tag"],
    help={
        "host": "the board: name, user@name:port or emulated:<target>",
        "name": "what to call it; without it the host's name",
        "target": texts.TARGET,
        "tag": "a word that groups boards, for --host @tag; repeat for more",
        "key": "the private key to log in with",
        "jump": "the host to go through, user@name:port",
        "sudo": "the user may become root there without a password",
        "price": "what it cost, in dollars",
        "price-date": "when it cost that, as 2026-01-31",
        "notes": "anything worth knowing",
        "mine": "write the user's own inventory, not the checkout's",
        "strict": texts.BOARDS["strict"],
        "dry-run": texts.DRY_RUN,
    },
)
def add(
    _c: Context,
    tag: list[str],
    host: str = "",
    name: str = "",
    target: str = "",
    key: str = "",
    jump: str = "",
    sudo: bool = False,
    price: str = "",
    price_date: str = "",
    notes: str = "",
    mine: bool = False,
    strict: bool = False,
    dry_run: bool = False,
) -> None:
    """Connect to a board, see what it is, and write it into the inventory."""
    from piyard.commands import fleet

    fleet.add(locals())


@task(positional=["name"], help={"name": "the board's name", "dry-run": texts.DRY_RUN})
def remove(_c: Context, name: str, dry_run: bool = False) -> None:
    """Take a board out of the inventory; nothing on it changes."""
    from piyard.commands import fleet

    fleet.remove(name, dry_run=dry_run)


@task(iterable=["host"], help=SHOWN)
def facts(
    _c: Context,
    host: list[str],
    all: bool = False,
    parallel: str = "",
    no_wait: bool = False,
    strict: bool = False,
    format: str = "plain",
) -> None:
    """What boards say of themselves."""
    from piyard.commands import fleet

    fleet.facts(locals())


@task(iterable=["host"], help=SHOWN)
def doctor(
    _c: Context,
    host: list[str],
    all: bool = False,
    parallel: str = "",
    no_wait: bool = False,
    strict: bool = False,
    format: str = "plain",
) -> None:
    """Check boards, and say what to do about what is wrong."""
    from piyard.commands import fleet

    fleet.doctor(locals())


@task(
    name="exec",
    iterable=["host"],
    help=SHOWN
    | {
        "command": "a program and its arguments, in quotes; no shell reads it",
        "limit": "end it after so many seconds (60)",
        "dry-run": texts.DRY_RUN,
    },
)
def execute(
    _c: Context,
    host: list[str],
    command: str = "",
    all: bool = False,
    limit: str = "",
    parallel: str = "",
    no_wait: bool = False,
    strict: bool = False,
    format: str = "plain",
    dry_run: bool = False,
) -> None:
    """Run one program on boards, and print what each says."""
    from piyard.commands import fleet

    fleet.execute(locals())


@task(
    iterable=["host"],
    help={
        "host": texts.HOST,
        "all": texts.BOARDS["all"],
        "fingerprint": "accept this key only: SHA256:…, as ssh-keygen -l shows it on the board",
        "dry-run": texts.DRY_RUN,
    },
)
def trust(
    _c: Context,
    host: list[str],
    all: bool = False,
    fingerprint: str = "",
    dry_run: bool = False,
) -> None:
    """Pin the host key a board shows now, after it was flashed anew."""
    from piyard.commands import fleet

    fleet.trust(locals())


@task(
    iterable=["host"],
    help=SHOWN | {"keep": "releases to keep (3)", "dry-run": texts.DRY_RUN},
)
def gc(
    _c: Context,
    host: list[str],
    all: bool = False,
    keep: str = "",
    parallel: str = "",
    no_wait: bool = False,
    strict: bool = False,
    format: str = "plain",
    dry_run: bool = False,
) -> None:
    """Remove old releases and fetched runs from boards."""
    from piyard.commands import fleet

    fleet.gc(locals())


@task(iterable=["host"], help=SHOWN)
def locks(
    _c: Context,
    host: list[str],
    all: bool = False,
    parallel: str = "",
    no_wait: bool = False,
    strict: bool = False,
    format: str = "plain",
) -> None:
    """Who holds which board."""
    from piyard.commands import fleet

    fleet.locks(locals())


@task(
    iterable=["host"],
    help={
        "host": texts.HOST,
        "all": texts.BOARDS["all"],
        "action": "on, off, cycle or get",
        "no-wait": texts.BOARDS["no-wait"],
        "dry-run": texts.DRY_RUN,
    },
)
def power(
    _c: Context,
    host: list[str],
    action: str = "get",
    all: bool = False,
    no_wait: bool = False,
    dry_run: bool = False,
) -> None:
    """Switch boards of a labgrid farm on and off by their power ports."""
    from piyard.commands import fleet

    fleet.power(locals())


@task(
    help={"coordinator": "labgrid's coordinator, as host:port", "format": texts.FORMAT},
)
def places(_c: Context, coordinator: str = "", format: str = "plain") -> None:
    """The places of a labgrid farm."""
    from piyard.commands import fleet

    fleet.places(coordinator, format)
