"""The program: Invoke's, with piyard's parser, help, version and shell completion."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from invoke.exceptions import Exit, ParseError
from invoke.parser.parser import ParseResult
from invoke.program import Program as InvokesProgram

from piyard import __version__
from piyard.cli import words
from piyard.cli.command import Command, FlagArgument, flag_arguments
from piyard.cli.words import LIST, VERSION, pending_flag, requested_help, unknown_task
from piyard.core import cancel
from piyard.core.errors import PiyardError, WrongInput, unknown_name

NAME = "piyard"


class Program(InvokesProgram):
    """Invoke's program, with piyard's parser; a request for help only prints help."""

    def parse_core_args(self) -> None:
        """Invoke's flags before any task; its completion script knows no path to a program."""
        try:
            super().parse_core_args()
        except (ParseError, ValueError) as error:
            raise WrongInput(str(error), remedy="--help lists the flags before a task") from None
        if shell := self.args["print-completion-script"].value:
            print(completion_script(shell, self.binary_names[0]), end="")
            raise Exit

    def print_version(self) -> None:
        """piyard's own, that of the ncnn it builds, and of nnrun, which shares piyard's."""
        from piyard.build.source import load_source

        print(f"{NAME} {__version__}, ncnn {load_source().pin.version}, nnrun {__version__}")

    def parse_tasks(self) -> None:
        """Parse the tasks, or answer a question (help, version, list, completion)."""
        self.parser = self._make_parser()
        self.tasks = ParseResult()
        if self.args["complete"].value:
            self._forget_program_name()
            self._complete_value()
        elif not self._is_question():
            self._require_meaning()
            core = self.initial_context.flag_names()
            self.tasks.extend(words.parse_words(self.core.unparsed, self.parser.contexts, core))

    def execute(self) -> None:
        """Run the tasks. Invoke itself treats Ctrl-C like any other failure."""
        with cancel.interruptible():
            super().execute()

    def _is_question(self) -> bool:
        """Whether the line asks for help, the version or the list, anywhere in it."""
        words_typed, tasks = self.core.unparsed, self.parser.contexts
        helped = self.args["help"].value or requested_help(words_typed, tasks)
        if helped is not None:
            if helped and helped is not True and helped not in tasks:
                raise unknown_task(helped, tasks)
            self.args["help"].set_value(helped or True, cast=False)
        elif VERSION & set(words_typed):
            self.print_version()
            raise Exit
        elif LIST & set(words_typed) or self.args["list"].value:
            self._list()
        return helped is not None or bool(self.args["list"].value)

    def _list(self) -> None:
        group = self.args["list"].value or True
        groups = sorted(map(str, self.collection.collections))
        if group is not True and group not in groups:
            raise WrongInput(
                f"unknown group of tasks '{group}'", remedy=f"known: {', '.join(groups)}"
            )
        self.args["list"].set_value(group, cast=False)

    def _require_meaning(self) -> None:
        """Refuse Invoke's flags that have no effect in piyard."""
        if self.args["dry"].value:
            raise WrongInput(
                "--dry does nothing here",
                remedy="--dry-run, after the task, says what would be done",
            )
        if self.core.remainder:
            raise WrongInput(
                f"nothing reads what follows '--': {self.core.remainder}",
                remedy="leave '--' out; a value that begins with a dash is written --flag=VALUE",
            )

    def _complete_value(self) -> None:
        """Print the values for the last flag of the line; Invoke completes flags and tasks."""
        typed = self.core.remainder.replace("=", " ").split(" ")  # the last word may be empty
        words_before = [word for word in typed[1:-1] if word]
        if isinstance(flag := pending_flag(words_before, self.parser.contexts), FlagArgument):
            with suppress(PiyardError):  # an inventory that cannot be read completes nothing
                print("\n".join(flag.flag.type.candidates()))
            raise Exit

    def print_task_help(self, name: str) -> None:
        """Print a task's purpose and its flags, required ones first."""
        command = self.collection[name]
        if not isinstance(command, Command):
            raise TypeError(f"{name} is not a command of piyard")
        arguments = flag_arguments(command.request)
        needed = "".join(f"{each.flag.type.value} " for each in arguments if each.positional)
        others = "[--options] " if len(arguments) > needed.count(" ") else ""
        print(f"Usage: {self.binary} [--core-opts] {name} {needed}{others}[other tasks here ...]")
        print(f"\nDocstring:\n{self.leading_indent}{command.__doc__}\n\nOptions:")
        if arguments:
            ordered = sorted(arguments, key=lambda argument: not argument.positional)
            self.print_columns([(argument.spec, argument.help) for argument in ordered])
        else:
            print(f"{self.leading_indent}none\n")

    def _forget_program_name(self) -> None:
        """A shell passes the whole line; its first word is the program, by whatever path."""
        _, _, typed = self.core.remainder.partition(" ")
        self.core.remainder = f"{self.binary_names[0]} {typed}"


def adopt() -> None:
    """Make Invoke's program, which has just loaded ``tasks.py``, behave as piyard's own."""
    from invoke.main import program

    adopted: Any = program
    adopted.__class__ = Program


BASH_COMPLETION = """\
# Completion of {name} for Bash: source it, for example in ~/.bashrc.
_complete_{name}() {{
    local program=$1 candidates
    case $program in '~/'*) program=$HOME/${{program#??}} ;; esac
    candidates=$("$program" --complete -- "${{COMP_WORDS[*]}}" 2>/dev/null)
    COMPREPLY=( $(compgen -W "$candidates" -- "$2") )
}}
complete -F _complete_{name} -o default {name} ./{name}
"""
ZSH_COMPLETION = """\
# Completion of {name} for Zsh: source it, for example in ~/.zshrc.
_complete_{name}() {{
    local -a typed
    read -cA typed
    reply=( $(${{~typed[1]}} --complete -- "${{typed[*]}}" 2>/dev/null) )
}}
compctl -K _complete_{name} + -f {name} ./{name}
"""
FISH_COMPLETION = """\
# Completion of {name} for fish: save it as ~/.config/fish/completions/{name}.fish.
function __complete_{name}
    set -l typed (commandline --tokenize --cut-at-cursor) (commandline --current-token)
    eval $typed[1] --complete -- (string escape -- "$typed") 2>/dev/null
end
complete --command {name} --no-files --arguments '(__complete_{name})'
"""
SHELLS = {"bash": BASH_COMPLETION, "zsh": ZSH_COMPLETION, "fish": FISH_COMPLETION}


def completion_script(shell: str, name: str) -> str:
    """The completion script of a shell for the program ``name``; raises ``WrongInput``."""
    if shell not in SHELLS:
        raise unknown_name("shell", shell, SHELLS)
    return SHELLS[shell].format(name=name)
