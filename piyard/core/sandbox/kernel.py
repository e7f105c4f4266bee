"""Landlock and seccomp: the files a process may open, the system calls it may make.

Run by ``python -I kernel.py POLICY PROGRAM …`` with a policy in JSON, it gives up all rights that
the policy does not grant, then executes the program (see ``launch``). Only the standard library is
used here: this runs inside a sandbox, before anything else. Refused
are calls that reach beyond the process and its files: sockets, other processes, mounts, keys,
modules, clocks, shared memory, file permissions, and calls that are newer than this module.

"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import resource
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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


def landlock_version() -> int:
    """The version (ABI) of the kernel's Landlock; 0 where it is missing or switched off."""
    try:
        return _landlock_call(CREATE_RULESET, None, 0, ASK_VERSION)
    except OSError:
        return 0


def restrict_files(read: Sequence[str], write: Sequence[str]) -> None:
    """From now on only these paths can be opened, and those below them. Raises ``OSError``.

    Paths that do not exist are skipped. Files that are open stay open.
    """
    abi = landlock_version()
    ruleset = _create_ruleset(abi)
    handled = _handled(abi)
    for paths, rights in ((read, READ), (write, WRITE)):
        for path in paths:
            _add_rule(ruleset, path, rights & handled)
    ctypes.CDLL(None).prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    _landlock_call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _handled(abi: int) -> int:
    return (1 << RIGHTS.get(abi, max(RIGHTS.values()))) - 1


def _create_ruleset(abi: int) -> int:
    rules = _Ruleset(_handled(abi), NET, SCOPE)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    return _landlock_call(CREATE_RULESET, ctypes.byref(rules), size, 0)


def _add_rule(ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= OF_FILES
        _landlock_call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(_Beneath(rights, opened)), 0)
    finally:
        os.close(opened)


def _landlock_call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    values = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in arguments]
    result = int(libc.syscall(ctypes.c_long(number), *values))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result


SET_SECCOMP, MODE_FILTER = 22, 2
LOAD, AND, EQUAL, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets in a filter's input; of an argument only the low half is checked."""
CLONE_THREAD = 0x10000
TRUNCATING_READ = 0x200, 0x203
"""O_TRUNC without write access (Linux truncates all the same), and the mask to compare."""
FIRST_UNKNOWN = 450
"""Calls from here on are newer than what this file knows."""

ANYWHERE = (
    *(424, 434, 438, 440, 448),  # pidfd_*, process_madvise, process_mrelease
    *(425, 426, 427),  # io_uring: its work is not filtered
    *(428, 429, 430, 431, 432, 433, 442, 443),  # mounts
    *(437, 435),  # openat2 and clone3 hide their flags: libc falls back
)
"""Newer calls have one number everywhere."""
HIDDEN = frozenset({435, 437})


class Calls(NamedTuple):
    """System calls of an architecture by number."""

    audit: int
    """What Linux calls the architecture."""
    refused: Sequence[int]
    clone: int
    open: int | None
    openat: int
    tgkill: int
    prlimit: int


X86_64 = Calls(
    audit=0xC000003E,
    refused=(
        *(41, 53, 42, 49, 43, 288, 50),  # socket, socketpair, connect, bind, accept, listen
        *(57, 58, 62, 200, 129, 297),  # fork, vfork, kill, tkill, rt_sigqueueinfo and its like
        *(101, 310, 311, 312, 298, 321, 323),  # ptrace, process_vm_*, kcmp, perf, bpf, userfaultfd
        *(165, 166, 155, 161, 179, 272, 308),  # mounts, chroot, quotactl, unshare, setns
        *(248, 249, 250),  # keys
        *(175, 313, 176, 246, 320, 169, 167, 168, 163),  # modules, kexec, reboot, swap, acct
        *(164, 227, 159, 305, 170, 171, 103, 172, 173, 153, 135),  # clocks, names, syslog, ports
        *(303, 304, 300, 212),  # files by handle, fanotify, lookup_dcookie
        *(76, 90, 91, 268, 92, 93, 94, 260, 132, 235, 261, 280),  # truncate, modes, owners, times
        *(188, 189, 190, 197, 198, 199),  # extended attributes
        *(29, 30, 31, 68, 69, 70, 71, 64, 65, 66, 220, 240, 241),  # System V, message queues
        *(141, 144, 142, 314, 251, 256, 279),  # priorities of others, pages of others
    ),
    clone=56,
    open=2,
    openat=257,
    tgkill=234,
    prlimit=302,
)
AARCH64 = Calls(
    audit=0xC00000B7,
    refused=(
        *(198, 199, 203, 200, 202, 242, 201),
        *(129, 130, 138, 240),
        *(117, 270, 271, 272, 241, 280, 282),
        *(40, 39, 41, 51, 60, 97, 268),
        *(217, 218, 219),
        *(105, 273, 106, 104, 294, 142, 224, 225, 89),
        *(170, 112, 171, 266, 161, 162, 116, 58, 92),
        *(264, 265, 262, 18),
        *(45, 52, 53, 55, 54, 88),
        *(5, 6, 7, 14, 15, 16),
        *(194, 196, 195, 186, 189, 188, 187, 190, 193, 191, 192, 180, 181),
        *(140, 119, 118, 274, 30, 238, 239),
    ),
    clone=220,
    open=None,
    openat=56,
    tgkill=131,
    prlimit=261,
)
"""In the same order as above."""
OF_MACHINE = {"x86_64": X86_64, "aarch64": AARCH64}


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("then", ctypes.c_uint8),
        ("otherwise", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


Code = list[tuple[int, int, int, int]]


def is_seccomp_known() -> bool:
    """Whether this machine's calls are known here, and its kernel filters them."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return platform.machine() in OF_MACHINE and "Seccomp:" in status


def restrict_calls() -> None:
    """From now on calls that reach beyond this process fail. Raises ``OSError``."""
    code = filter_program(OF_MACHINE[platform.machine()], os.getpid())
    filled = (_Instruction * len(code))(*(_Instruction(*instruction) for instruction in code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(SET_SECCOMP, MODE_FILTER, ctypes.byref(_Program(len(code), filled)), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def filter_program(calls: Calls, own: int) -> Code:
    """The filter, instruction by instruction; ``own`` is the id of the process it is for."""
    return [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, calls.audit),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        *_refuse(AT_LEAST, FIRST_UNKNOWN, errno.ENOSYS),
        *(step for number in calls.refused for step in _refuse(EQUAL, number, errno.EPERM)),
        *(step for number in ANYWHERE for step in _refuse(EQUAL, number, _newer(number))),
        *_unless(calls.clone, 0, [(AND, 0, 0, CLONE_THREAD), *_refuse(EQUAL, 0, errno.EPERM)]),
        *_unless(calls.tgkill, 0, _refuse_others([own])),
        *_unless(calls.prlimit, 0, _refuse_others([0, own])),
        *_unless(calls.openat, 2, _truncating()),
        *(_unless(calls.open, 1, _truncating()) if calls.open else []),
        (RETURN, 0, 0, ALLOW),
    ]


def _newer(number: int) -> int:
    return errno.ENOSYS if number in HIDDEN else errno.EPERM


def _refuse(comparison: int, value: int, error: int) -> Code:
    return [(comparison, 0, 1, value), (RETURN, 0, 0, REFUSE | error)]


def _unless(number: int, argument: int, refusal: Code) -> Code:
    """Apply the refusal to an argument of that call; other calls skip it."""
    inside = [(LOAD, 0, 0, ARGUMENTS + 8 * argument), *refusal, (LOAD, 0, 0, NUMBER)]
    return [(EQUAL, 0, len(inside), number), *inside]


def _refuse_others(values: Sequence[int]) -> Code:
    """Refuse other values."""
    last = len(values)
    tests: Code = [(EQUAL, last - index, 0, value) for index, value in enumerate(values)]
    return [*tests, (RETURN, 0, 0, REFUSE | errno.EPERM)]


def _truncating() -> Code:
    truncates, mask = TRUNCATING_READ
    return [(AND, 0, 0, mask), *_refuse(EQUAL, truncates, errno.EPERM)]


def main() -> None:
    """Never returns: it executes the program, or exits with code 1."""
    policy, argv = json.loads(sys.argv[1]), sys.argv[2:]
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, policy["memory"])
    _limit(resource.RLIMIT_FSIZE, policy["file_size"])
    restrict_files(policy["read"], policy["write"])
    restrict_calls()
    os.execv(argv[0], argv)


def _limit(resource_id: int, maximum: int) -> None:
    """Set a limit, unless a lower one is already set."""
    _, hard = resource.getrlimit(resource_id)
    value = maximum if hard == resource.RLIM_INFINITY else min(maximum, hard)
    resource.setrlimit(resource_id, (value, value))


if __name__ == "__main__":
    main()
