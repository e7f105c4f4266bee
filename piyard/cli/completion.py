"""Scripts that make a shell complete piyard's tasks and flags, whatever path it is called by."""

from __future__ import annotations

from piyard.errors import unknown

BASH = """\
# Completion of {name} for Bash: source it, for example in ~/.bashrc.
_complete_{name}() {{
    local program=$1 candidates
    case $program in '~/'*) program=$HOME/${{program#??}} ;; esac
    candidates=$("$program" --complete -- "${{COMP_WORDS[*]}}" 2>/dev/null)
    COMPREPLY=( $(compgen -W "$candidates" -- "$2") )
}}
complete -F _complete_{name} -o default {name} ./{name}
"""
ZSH = """\
# Completion of {name} for Zsh: source it, for example in ~/.zshrc.
_complete_{name}() {{
    local -a typed
    read -cA typed
    reply=( $(${{~typed[1]}} --complete -- "${{typed[*]}}" 2>/dev/null) )
}}
compctl -K _complete_{name} + -f {name} ./{name}
"""
FISH = """\
# Completion of {name} for fish: save it as ~/.config/fish/completions/{name}.fish.
function __complete_{name}
    set -l typed (commandline --tokenize --cut-at-cursor) (commandline --current-token)
    eval $typed[1] --complete -- (string escape -- "$typed") 2>/dev/null
end
complete --command {name} --no-files --arguments '(__complete_{name})'
"""
SHELLS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def script(shell: str, name: str) -> str:
    """What that shell is to source to complete the program ``name``; raises ``WrongInput``."""
    if shell not in SHELLS:
        raise unknown("shell", shell, SHELLS)
    return SHELLS[shell].format(name=name)
