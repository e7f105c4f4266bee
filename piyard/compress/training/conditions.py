"""What makes a training repeatable, and what stops it between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from piyard.compress.training.batches import mixed_seed
from piyard.compress.training.settings import TrainingSettings
from piyard.core import cancel
from piyard.core.errors import WrongInput


def choose_device(settings: TrainingSettings) -> str:
    """torch's name of it. Raises ``WrongInput`` for a GPU that is not there."""
    import torch

    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise WrongInput(
            "torch sees no GPU on this machine", remedy="leave the device out: the CPU does it"
        )
    return "cuda" if there and settings.device != "cpu" else "cpu"


@contextmanager
def repeatable(settings: TrainingSettings, device: str) -> Iterator[None]:
    """The number of threads, and algorithms that give the same each time; of the CPU all do."""
    import torch

    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(settings.threads or threads)
    torch.use_deterministic_algorithms(device == "cpu")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def seed_step(settings: TrainingSettings, step: int) -> None:
    """What a network draws in a step, as its dropout does, depends on nothing before."""
    import torch

    torch.manual_seed(mixed_seed(settings.seed, step))


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C came: the first waits for the step to end, a second one does not.

    A step that breaks off half done would leave weights of two different steps.
    """
    if threading.current_thread() is not threading.main_thread():
        yield cancel.requested
        return
    came = threading.Event()
    previous = signal.getsignal(signal.SIGINT)

    def note(_number: int, _frame: FrameType | None) -> None:
        came.set()
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: came.is_set() or cancel.requested()
    finally:
        signal.signal(signal.SIGINT, previous)
