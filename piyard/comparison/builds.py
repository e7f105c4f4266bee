"""A build by its key, the start of it, or ``current`` for what the checkout builds now."""

from __future__ import annotations

from piyard import build, paths, store, target
from piyard.build import Build
from piyard.errors import WrongInput, nearest

CURRENT = "current"
REMEDY = "invoke build prints the folder of a build, which its key names; or take 'current'"


def key_of(flag: str, text: str) -> str:
    """The whole key, or ``current``; raises ``WrongInput`` for none or several."""
    start = text.strip()
    if start == CURRENT:
        return CURRENT
    keys = _known()
    matches = [key for key in keys if start and key.startswith(start)]
    if not start:
        raise WrongInput(f"no --{flag}: a build is missing", remedy=REMEDY)
    if not matches:
        hint = nearest(start, [*keys, CURRENT])
        raise WrongInput(f"no build of artifacts/builds is named '{start}'{hint}", remedy=REMEDY)
    if len(matches) > 1:
        raise WrongInput(
            f"several builds begin with '{start}'",
            evidence="\n".join(matches),
            remedy="write more of the key",
        )
    return matches[0]


def load(key: str, target_name: str) -> Build:
    """The build of a key for that kind of board; builds what is current.

    Raises ``WrongInput`` for a build that cannot run there, or is not whole.
    """
    if key == CURRENT:
        return build.build(target_name)
    folder = store.find(build.SHELF, key)
    if folder is None:
        raise WrongInput(f"build {key} is not whole", remedy="its files were changed or removed")
    loaded = Build(target=target_name, key=key, folder=folder, fresh=False)
    machine, arch = loaded.manifest["elf"]["machine"], target.load(target_name).arch
    if machine != arch:
        raise WrongInput(
            f"build {key} is for {machine}, and {target_name} is {arch}",
            remedy=f"invoke build --target {target_name} makes one that fits",
        )
    return loaded


def _known() -> list[str]:
    shelf = paths.artifacts() / build.SHELF
    if not shelf.is_dir():
        return []
    return sorted(f.name for f in shelf.iterdir() if f.is_dir() and not f.name.startswith("."))
