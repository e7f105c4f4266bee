"""Pruning: whole channels are taken out, wherever the network's graph says they belong together.

torch-pruning follows the dependencies (Fang et al., https://arxiv.org/abs/2301.12900) and judges a
group of channels by the size of its weights, or with classified pictures by what the loss would
lose (Molchanov et al., https://arxiv.org/abs/1906.10771). Widths stay multiples of 8, which ncnn
stores eight by eight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from piyard.compress.macs import describe_macs
from piyard.compress.method import CompressOptions, OptionName, Outcome, Settings, Step
from piyard.compress.networks import (
    open_network,
    own_edits,
    require_loadable,
    require_module,
    save_network,
)
from piyard.compress.search import count_macs
from piyard.compress.training.batches import labelled_pictures
from piyard.compress.training.objective import first_output
from piyard.compress.training.settings import TrainingSettings
from piyard.compress.tuning import TUNING_OPTIONS, choose_tuning, list_points, tune_network
from piyard.core.errors import WrongInput
from piyard.models.definition import Model
from piyard.models.edits import Edit, SplitHalves, apply_edits, has_widths
from piyard.models.variants import MethodName

if TYPE_CHECKING:
    import torch
    from torch import nn


WIDTH_STEP = 8
"""Channels: ncnn's packing of fp16 and int8 on ARM."""
DEFAULT_RATIO = 0.5
STEPS = 48
"""In each, a STEPS-th of ``MOST`` of the network's channels goes, judged anew."""
MOST = 0.96
MOST_OF_A_LAYER = 0.9
IMPORTANCE_PICTURES, IMPORTANCE_BATCH = 128, 16
"""Classified pictures by whose loss channels are judged."""
PruningErrors = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError),
    *(RuntimeError, TypeError, ValueError),
)
"""What torch-pruning runs into."""
OTHER_WAYS = "networks that rearrange channels keep their widths: --method lowrank or ptq"


class PruneSettings(Settings, frozen=True, kw_only=True):
    """See ``CompressOptions``."""

    ratio: float
    """Share of the multiply-accumulates that goes at least."""
    training: TrainingSettings | None = None
    """The fine-tuning; None without pictures, or where the next method trains."""


class Prune:
    """Structured pruning."""

    name: MethodName = "prune"
    about = "take whole channels out"
    options: frozenset[OptionName] = frozenset({"ratio", *TUNING_OPTIONS})
    needs_data: Literal["", "pictures", "labels"] = ""
    learns = True
    is_last = False
    tools: Sequence[str] = ("torch", "torch-pruning")
    settings_type: type[Settings] = PruneSettings

    def choose_settings(self, options: CompressOptions) -> PruneSettings:
        """Half of the multiply-accumulates, unless the options say otherwise."""
        return PruneSettings(
            ratio=DEFAULT_RATIO if options.ratio is None else options.ratio,
            training=choose_tuning(options, self.name),
        )

    def detail(self, settings: PruneSettings) -> str:
        """``prune50``."""
        return f"prune{100 * settings.ratio:g}"

    def check(self, step: Step) -> None:
        """Raise ``WrongInput`` for a network that cannot be pruned."""
        require_module(step.parent, self.name)

    def make(self, step: Step, folder: Path) -> Outcome:
        """The pruned and tuned network's weights."""
        network = open_network(step.parent)
        edits = (*own_edits(step.parent), *split_blocks(network))
        before = count_macs(network, step.parent.input)
        losses = label_losses(network, step) if has_classes(step) else ()
        prune_network(network, step.parent, step.settings.ratio, losses)
        after = count_macs(network, step.parent.input)
        by = "what the loss would lose" if has_classes(step) else "the size of their weights"
        notes = [f"{describe_macs(before, after)}; channels were chosen by {by}"]
        tuning = step.settings.training
        history = tune_network(network, step, tuning) if tuning else None
        weights = save_network(network, folder)
        require_loadable(step.parent, edits, network, folder / weights)
        return Outcome(weights=weights, edits=edits, notes=notes, history=list_points(history))


def split_blocks(network: nn.Module) -> list[Edit]:
    """The edits that give each half of a YOLO block's first convolution a width of its own."""
    from piyard.models.architectures.yolo_blocks import C2PSA, C2f

    blocks = [name for name, each in network.named_modules() if isinstance(each, C2f | C2PSA)]
    edits: list[Edit] = [SplitHalves(layer=name) for name in blocks]
    apply_edits(network, edits)
    return edits


def has_classes(step: Step) -> bool:
    """Whether the class of each picture is known."""
    return step.data is not None and step.data.has_classes


def label_losses(network: nn.Module, step: Step) -> Iterator[torch.Tensor]:
    """The loss of some classified pictures, a batch at a time."""
    from torch.nn import functional

    pictures = labelled_pictures(step.parent, step.require_data().require_truth())
    numbers = spread_numbers(len(pictures), IMPORTANCE_PICTURES)
    for at in range(0, len(numbers), IMPORTANCE_BATCH):
        batch = pictures.take(numbers[at : at + IMPORTANCE_BATCH])
        scores = first_output(network(batch.inputs)).flatten(1)
        yield functional.cross_entropy(scores, batch.require_labels())


def spread_numbers(count: int, most: int) -> list[int]:
    """At most so many numbers below ``count``, evenly spread."""
    return list(range(count)) if count <= most else [at * count // most for at in range(most)]


def prune_network(
    network: nn.Module, model: Model, ratio: float, losses: Iterable[torch.Tensor]
) -> None:
    """Take channels out in place until that share of the multiply-accumulates is gone.

    ``losses`` are summed into gradients, by which channels are judged; without any they are judged
    by their weights. Raises ``WrongInput`` for a network that cannot be followed, or whose
    channels do not suffice.
    """
    _require_layers(network, model)
    target = (1 - ratio) * count_macs(network, model.input)
    for values in network.parameters():
        values.requires_grad_()
    number = 0
    for loss in losses:
        loss.backward()  # type: ignore[no-untyped-call]
        number += 1
    with _pruning_errors(model):
        pruner = _open_pruner(network, model, by_gradients=number > 0)
        least = _prune_until(pruner, network, model, target)
    if least > target:
        raise WrongInput(
            f"{model.name}: channels in multiples of {WIDTH_STEP} leave {least / 1e6:.1f} M "
            f"multiply-accumulates, and {target / 1e6:.1f} M are the aim",
            remedy="take a smaller --ratio",
        )
    network.zero_grad(set_to_none=True)


def _open_pruner(network: nn.Module, model: Model, *, by_gradients: bool) -> Any:
    import torch
    import torch_pruning

    kinds = torch_pruning.importance
    return torch_pruning.pruner.BasePruner(
        network,
        torch.zeros(1, *model.input),
        importance=(
            kinds.GroupTaylorImportance() if by_gradients else kinds.GroupMagnitudeImportance(p=2)
        ),
        global_pruning=True,
        pruning_ratio=MOST,
        max_pruning_ratio=MOST_OF_A_LAYER,
        iterative_steps=STEPS,
        ignored_layers=fixed_layers(network, model),
        round_to=WIDTH_STEP,
    )


def _prune_until(pruner: Any, network: nn.Module, model: Model, target: float) -> int:
    """What is left once the target is reached, or nothing more can go."""
    left = count_macs(network, model.input)
    for _ in range(STEPS):
        if left <= target:
            break
        pruner.step()
        left = count_macs(network, model.input)
    return left


def _require_layers(network: nn.Module, model: Model) -> None:
    """Raise ``WrongInput`` where widths are not those of convolutions, matrices and norms alone.

    Transformers have tokens and places as wide as their channels, which they also count.
    """
    loose = [
        name
        for layer in network.modules()
        for name, values in layer.named_parameters(recurse=False)
        if values.numel() > 1 and not has_widths(layer)
    ]
    if loose:
        raise WrongInput(
            f"{model.name} has parameters beside its convolutions, matrices and norms: {loose[0]}",
            remedy=OTHER_WAYS,
        )


@contextmanager
def _pruning_errors(model: Model) -> Iterator[None]:
    """torch-pruning's or torch's error for a network that it cannot follow, as ``WrongInput``."""
    try:
        yield
    except PruningErrors as error:
        raise WrongInput(
            f"{model.name}: its channels cannot be followed through the network",
            evidence=str(error).splitlines()[0] if str(error) else type(error).__name__,
            remedy=OTHER_WAYS,
        ) from None


def fixed_layers(network: nn.Module, model: Model) -> list[nn.Module]:
    """Layers whose outputs are the network's, and attention, which counts its channels."""
    import torch

    from piyard.models.architectures.yolo_blocks import Attention

    output = network(torch.rand(1, *model.input, generator=torch.Generator().manual_seed(1)))
    outputs = output if isinstance(output, (tuple, list)) else [output]
    counted = [
        part for each in network.modules() if isinstance(each, Attention) for part in each.modules()
    ]
    return [*_last_layers(network, outputs), *counted]


def _last_layers(network: nn.Module, outputs: Sequence[torch.Tensor]) -> list[nn.Module]:
    """The last matrix or convolution on every way to an output, by torch's graph of gradients."""
    owners = {
        id(values): layer
        for layer in network.modules()
        for values in layer.parameters(recurse=False)
        if values.dim() > 1
    }
    waiting: list[Any] = [output.grad_fn for output in outputs]
    seen: set[Any] = set()
    layers: list[nn.Module] = []
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        sources = [source for source, _ in node.next_functions if source is not None]
        held = [owners[key] for source in sources for key in _weights_of(source) if key in owners]
        layers += held
        waiting += [] if held else sources
    return layers


def _weights_of(node: Any) -> list[int]:
    """The parameter that a node stands for; a matrix is turned before it is multiplied by."""
    inner = [source for source, _ in node.next_functions] if "TBackward" in node.name() else [node]
    return [id(each.variable) for each in inner if hasattr(each, "variable")]
