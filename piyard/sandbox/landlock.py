"""Landlock: which files a process and its children may open. In Linux since 5.13.

Only the standard library is used here: this is run inside a sandbox, before anything else.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Sequence

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""System calls; their numbers are the same on every architecture."""
ASK_VERSION = 1
PATH_BENEATH = 1
NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Version of Landlock → how many rights to files it knows; later ones know no more."""
NET, SCOPE = 0b11, 0b11
"""Binding and connecting TCP; abstract sockets of others and signals to them."""
READ = EXECUTE | READ_FILE | READ_DIR
WRITE = (
    READ_FILE | READ_DIR | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | TRUNCATE
)
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""The rights that a rule about a single file may grant."""


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("net", ctypes.c_uint64),
        ("scope", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """The version (ABI) of the kernel's Landlock; 0 where it is missing or switched off."""
    try:
        return _call(CREATE_RULESET, None, 0, ASK_VERSION)
    except OSError:
        return 0


def restrict_files(read: Sequence[str], write: Sequence[str]) -> None:
    """From now on only these paths can be opened, and those below them. Raises ``OSError``.

    Paths that do not exist are skipped. Files that are open stay open.
    """
    abi = version()
    ruleset = _create(abi)
    handled = _handled(abi)
    for paths, rights in ((read, READ), (write, WRITE)):
        for path in paths:
            _allow(ruleset, path, rights & handled)
    ctypes.CDLL(None).prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    _call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _handled(abi: int) -> int:
    return (1 << RIGHTS.get(abi, max(RIGHTS.values()))) - 1


def _create(abi: int) -> int:
    rules = _Ruleset(_handled(abi), NET, SCOPE)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    return _call(CREATE_RULESET, ctypes.byref(rules), size, 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= OF_FILES
        _call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(_Beneath(rights, opened)), 0)
    finally:
        os.close(opened)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    values = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in arguments]
    result = int(libc.syscall(ctypes.c_long(number), *values))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
