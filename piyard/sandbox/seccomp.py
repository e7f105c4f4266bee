"""seccomp: which system calls a process and its children may make.

Refused are calls that reach beyond the process and the files that Landlock lets it open: sockets,
other processes, mounts, keys, modules, clocks, shared memory, file permissions. Calls that were
added to Linux after this was written are refused too. Only the standard library is used here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from piyard.sandbox.landlock import NO_NEW_PRIVS

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
X32 = 0x40000000

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


def is_known() -> bool:
    """Whether this machine's calls are known here, and its kernel filters them."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return platform.machine() in OF_MACHINE and "Seccomp:" in status


def restrict_calls() -> None:
    """From now on calls that reach beyond this process fail. Raises ``OSError``."""
    code = program(OF_MACHINE[platform.machine()], os.getpid())
    filled = (_Instruction * len(code))(*(_Instruction(*instruction) for instruction in code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(SET_SECCOMP, MODE_FILTER, ctypes.byref(_Program(len(code), filled)), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def program(calls: Calls, own: int) -> Code:
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
        *_unless(calls.tgkill, 0, _only([own])),
        *_unless(calls.prlimit, 0, _only([0, own])),
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


def _only(values: Sequence[int]) -> Code:
    """Refuse other values."""
    last = len(values)
    tests: Code = [(EQUAL, last - index, 0, value) for index, value in enumerate(values)]
    return [*tests, (RETURN, 0, 0, REFUSE | errno.EPERM)]


def _truncating() -> Code:
    truncates, mask = TRUNCATING_READ
    return [(AND, 0, 0, mask), *_refuse(EQUAL, truncates, errno.EPERM)]
