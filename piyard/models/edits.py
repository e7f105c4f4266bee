"""Changes of a network's layers, so that the weights of a variant fit it.

A variant's YAML lists layers that became two; widths need no list, the shapes in the file decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from piyard.core.config import Config
from piyard.core.errors import ConversionFailed

if TYPE_CHECKING:
    from torch import nn

    Shapes = Mapping[str, tuple[int, ...]]
    """Of tensors by name."""


class LowRank(Config, tag_field="kind", tag="low_rank"):
    """A convolution or matrix as two of them, ``first`` and ``second``."""

    layer: str
    """Its path in the network, as ``features.18.0``."""
    rank: Annotated[int, Meta(ge=1)]
    """Channels or features between the two."""
    form: Literal["channels", "rows"] = "channels"
    """``channels``: the layer's own kernel, then 1x1. ``rows``: k x 1, then 1 x k."""


class SplitHalves(Config, tag_field="kind", tag="split_halves"):
    """The first convolution of a YOLO block, whose output is cut in two, as two convolutions."""

    layer: str
    """The block's path in the network, as ``model.2``."""


Edit = LowRank | SplitHalves


def apply_edits(network: nn.Module, edits: Sequence[Edit]) -> None:
    """Change the layers in place, in that order; new layers keep what weights they can.

    Raises ``ConversionFailed`` for a layer that there is not, or that is of another kind.
    """
    for edit in edits:
        if isinstance(edit, LowRank):
            replace_layer(network, edit.layer, _build_low_rank(find_layer(network, edit), edit))
        else:
            replace_layer(network, edit.layer, _split_block(find_layer(network, edit), edit))


def find_layer(network: nn.Module, edit: Edit) -> nn.Module:
    """The layer that an edit names. Raises ``ConversionFailed``."""
    try:
        return network.get_submodule(edit.layer)
    except AttributeError:
        raise _wrong_layer(edit.layer, "which the network does not have") from None


def replace_layer(network: nn.Module, path: str, layer: nn.Module) -> None:
    """Put a layer into the place of the one of that path."""
    above, _, name = path.rpartition(".")
    setattr(network.get_submodule(above), name, layer)


def _wrong_layer(path: str, why: str) -> ConversionFailed:
    return ConversionFailed(
        f"`variant.edits` names '{path}', {why}",
        remedy="make the variant again, or correct its YAML",
    )


def _build_low_rank(layer: nn.Module, edit: LowRank) -> nn.Module:
    """Two layers of torch's initial weights, of the shapes that the edit means."""
    from torch import nn

    if isinstance(layer, nn.Linear):
        return _pair(
            nn.Linear(layer.in_features, edit.rank, bias=False),
            nn.Linear(edit.rank, layer.out_features, bias=layer.bias is not None),
        )
    if isinstance(layer, nn.Conv2d) and layer.groups == 1 and isinstance(layer.padding, tuple):
        return (_rows_pair if edit.form == "rows" else _channels_pair)(layer, edit.rank)
    raise _wrong_layer(edit.layer, "which is neither a matrix nor a convolution of one group")


def _pair(first: nn.Module, second: nn.Module) -> nn.Module:
    from collections import OrderedDict

    from torch import nn

    return nn.Sequential(OrderedDict(first=first, second=second))


def _channels_pair(layer: nn.Conv2d, rank: int) -> nn.Module:
    from torch import nn

    first = nn.Conv2d(
        layer.in_channels,
        rank,
        _two(layer.kernel_size),
        _two(layer.stride),
        _two(layer.padding),
        _two(layer.dilation),
        bias=False,
    )
    return _pair(first, nn.Conv2d(rank, layer.out_channels, 1, bias=layer.bias is not None))


def _rows_pair(layer: nn.Conv2d, rank: int) -> nn.Module:
    """The first looks along columns, the second along rows."""
    from torch import nn

    kernel, stride, padding, dilation = map(
        _two, (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    )
    return _pair(
        nn.Conv2d(
            layer.in_channels,
            rank,
            (kernel[0], 1),
            (stride[0], 1),
            (padding[0], 0),
            (dilation[0], 1),
            bias=False,
        ),
        nn.Conv2d(
            rank,
            layer.out_channels,
            (1, kernel[1]),
            (1, stride[1]),
            (0, padding[1]),
            (1, dilation[1]),
            bias=layer.bias is not None,
        ),
    )


def _two(sides: Any) -> tuple[int, int]:
    return int(sides[0]), int(sides[1])


def _split_block(block: nn.Module, edit: SplitHalves) -> nn.Module:
    from piyard.models.architectures.yolo_split import split_halves

    split = split_halves(block)
    if split is None:
        raise _wrong_layer(edit.layer, "which is not a block whose first convolution is cut in two")
    return split


def fit_shapes(network: nn.Module, shapes: Shapes) -> None:
    """Give each layer the widths that its tensors have in a file; values are then to be loaded.

    Layers whose tensors are not in the file, or of a kind that has no widths, stay: loading the
    file says so.
    """
    for path, layer in network.named_modules():
        inside = f"{path}." if path else ""
        own = [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]
        widths = {name: shapes[inside + name] for name, _ in own if inside + name in shapes}
        if any(widths.get(name, values.shape) != tuple(values.shape) for name, values in own):
            _set_widths(layer, widths)
            _resize_tensors(layer, widths)


def has_widths(layer: nn.Module) -> bool:
    """Whether it is of a kind whose widths a file decides."""
    return not FITTINGS.keys().isdisjoint(_class_names(layer))


def _set_widths(layer: nn.Module, shapes: Shapes) -> None:
    kinds = {name: fit for name, fit in FITTINGS.items() if name in _class_names(layer)}
    for fit in kinds.values():
        fit(layer, shapes)


def _class_names(layer: nn.Module) -> set[str]:
    return {each.__name__ for each in type(layer).__mro__}


def _fit_convolution(layer: Any, shapes: Shapes) -> None:
    """One that has a group a channel keeps having one; of several groups their number stays."""
    after, per_group = shapes["weight"][:2]
    if layer.groups > 1 and layer.in_channels == layer.groups:
        layer.groups = after // (layer.out_channels // layer.groups)
    layer.in_channels, layer.out_channels = per_group * layer.groups, after


def _fit_transposed(layer: Any, shapes: Shapes) -> None:
    before, per_group = shapes["weight"][:2]
    layer.in_channels, layer.out_channels = before, per_group * layer.groups


def _fit_matrix(layer: Any, shapes: Shapes) -> None:
    layer.out_features, layer.in_features = shapes["weight"]


def _fit_norm(layer: Any, shapes: Shapes) -> None:
    layer.num_features = shapes["weight"][0]


def _fit_group_norm(layer: Any, shapes: Shapes) -> None:
    layer.num_channels = shapes["weight"][0]


def _fit_layer_norm(layer: Any, shapes: Shapes) -> None:
    layer.normalized_shape = shapes["weight"]


FITTINGS: dict[str, Callable[[Any, Shapes], None]] = {
    "Conv2d": _fit_convolution,
    "ConvTranspose2d": _fit_transposed,
    "Linear": _fit_matrix,
    "BatchNorm2d": _fit_norm,
    "GroupNorm": _fit_group_norm,
    "LayerNorm": _fit_layer_norm,
}
"""torch's class of a layer → what sets its widths."""


def _resize_tensors(layer: nn.Module, shapes: Shapes) -> None:
    import torch
    from torch import nn

    for name, shape in shapes.items():
        empty = torch.zeros(shape)
        old = getattr(layer, name)
        if isinstance(old, nn.Parameter):
            setattr(layer, name, nn.Parameter(empty, requires_grad=old.requires_grad))
        else:
            setattr(layer, name, empty.to(old.dtype))
