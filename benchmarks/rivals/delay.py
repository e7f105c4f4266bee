"""A TCP forwarder that is as far away as one wishes: it holds every segment back, each way.

    python -m benchmarks.rivals.delay 10 32777 32778

listens on one more loopback port for each given one, prints these ports as a line of JSON, and
holds back by 10 ms each way, 20 ms a round trip. It goes on until its stdin is closed. A new
connection waits for the round trip and a half that TCP's handshake takes; the rate is not limited.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from piyard.board.emulator import LOOPBACK
from piyard.core.paths import ROOT

BLOCK = 256 * 1024
UNDER_WAY = 2048
"""Blocks held back at once: at 4 KB each still enough for 800 MB/s over 10 ms."""
STOP_LIMIT_S = 10

_running: set[asyncio.Task[None]] = set()
"""The loop itself would let go of them."""


@contextmanager
def delayed(ports: Sequence[int], ms: float) -> Iterator[list[int]]:
    """Ports that lead to the given ones, farther away; served by a process of its own."""
    argv = [sys.executable, "-m", "benchmarks.rivals.delay", str(ms), *map(str, ports)]
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,  # Ctrl-C is for who started it, and who then closes its stdin
    ) as process:
        try:
            assert process.stdout  # noqa: S101 - tells mypy
            yield json.loads(process.stdout.readline())
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        process.communicate(timeout=STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()


async def serve(delay_s: float, ports: Sequence[int]) -> None:
    """Forward until stdin ends."""
    loop = asyncio.get_running_loop()
    listeners = [socket.create_server((LOOPBACK, 0)) for _ in ports]
    for listener, port in zip(listeners, ports, strict=True):
        _running.add(loop.create_task(_accept(listener, port, delay_s)))
    print(json.dumps([listener.getsockname()[1] for listener in listeners]), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    await _end(asyncio.all_tasks() - {asyncio.current_task()})


async def _end(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    ended = [task for task in tasks if task and task.cancel()]
    await asyncio.gather(*ended, return_exceptions=True)


async def _accept(listener: socket.socket, port: int, delay_s: float) -> None:
    listener.setblocking(False)
    loop = asyncio.get_running_loop()
    while True:
        near, _ = await loop.sock_accept(listener)
        task = loop.create_task(_forward(near, port, delay_s))
        _running.add(task)
        task.add_done_callback(_running.discard)


async def _forward(near: socket.socket, port: int, delay_s: float) -> None:
    """One connection, until one side is gone or both have said all."""
    loop = asyncio.get_running_loop()
    with near, socket.socket() as far, suppress(OSError):
        far.setblocking(False)
        tasks = [loop.create_task(_read(near, there := _under_way(), delay_s))]
        try:
            await asyncio.sleep(3 * delay_s)
            await loop.sock_connect(far, (LOOPBACK, port))
            tasks.append(loop.create_task(_read(far, back := _under_way(), delay_s)))
            writing = [loop.create_task(_write(*way)) for way in ((far, there), (near, back))]
            tasks += writing
            await asyncio.gather(*writing)
        finally:
            await _end(tasks)


Blocks = asyncio.Queue[tuple[float, bytes]]
"""What is under way, each with the time when it is due; an empty one is the end."""


def _under_way() -> Blocks:
    return asyncio.Queue(UNDER_WAY)


async def _read(source: socket.socket, blocks: Blocks, delay_s: float) -> None:
    """Note when each block is due; a connection that breaks ends like one that was closed."""
    loop = asyncio.get_running_loop()
    block = b"-"
    while block:
        try:
            block = await loop.sock_recv(source, BLOCK)
        except OSError:
            block = b""
        await blocks.put((loop.time() + delay_s, block))


async def _write(target: socket.socket, blocks: Blocks) -> None:
    target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    loop = asyncio.get_running_loop()
    while True:
        due, block = await blocks.get()
        await asyncio.sleep(max(0.0, due - loop.time()))
        if not block:
            target.shutdown(socket.SHUT_WR)
            return
        await loop.sock_sendall(target, block)


def main() -> None:
    """Forward until stdin ends."""
    delay_ms, *ports = sys.argv[1:]
    # epoll counts in whole milliseconds, select in microseconds.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    loop.run_until_complete(serve(float(delay_ms) / 1000, [int(port) for port in ports]))


if __name__ == "__main__":
    main()
