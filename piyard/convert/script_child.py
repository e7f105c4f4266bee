"""The process in which a TorchScript program runs, in a sandbox; it has to find piyard itself.

Run by ``python -I script_child.py FILE CUT…``; questions come on stdin, answers go to stdout (see
``script_messages.py``). What the program itself prints goes nowhere. Only the standard library is
imported before piyard is found.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module, util
from pathlib import Path


def main() -> None:
    """Answer until nobody asks any more."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    _import_piyard(Path(__file__).resolve().parents[1])
    import_module("torch")
    server = import_module("piyard.convert.script_server")
    os.dup2(nowhere, 2)  # until here it says why Python itself does not start
    if not server.serve(Path(sys.argv[1]), sys.argv[2:], questions, answers):
        sys.exit(1)


def _import_piyard(folder: Path) -> None:
    """Where it is, may be read; the folder around it, which a path would have searched, may not."""
    spec = util.spec_from_file_location(
        folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec and spec.loader:
        sys.modules[folder.name] = util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[folder.name])


if __name__ == "__main__":
    main()
