"""Networks of timm, by its own names, from the timm that the user has installed.

Built without its weights, so that nothing is downloaded. timm is imported late.
"""

from __future__ import annotations

import importlib
import re
import sys
from functools import cache
from types import MethodType
from typing import TYPE_CHECKING, Any

from piyard.core.errors import NotSetUp, WrongInput, did_you_mean
from piyard.core.parsing import JsonObject
from piyard.models.architectures.classifiers import torchvision_models

if TYPE_CHECKING:
    import torch


TIMM_FOLDER = "timm/"
"""What ``network`` begins with in a model's YAML: ``timm/NAME``."""
TIMM_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)?")
"""An architecture, or one with the tag of its training; no address of weights."""


def is_timm_network(network: str) -> bool:
    """Whether it is one of timm's."""
    return network.startswith(TIMM_FOLDER)


def timm_version() -> str:
    """The version that builds the networks. Raises ``NotSetUp`` without one."""
    return str(_timm().__version__)


def build_timm_network(network: str, classes: int) -> torch.nn.Module:
    """The network with timm's initial weights.

    Its attention is built of matrix products, which pnnx reads. Raises ``NotSetUp`` without timm,
    ``WrongInput`` for a name that it does not have.
    """
    timm, name = _timm(), require_timm_name(network)
    timm.layers.set_fused_attn(enable=False)
    built: torch.nn.Module = timm.create_model(
        name, pretrained=False, num_classes=classes, exportable=True
    )
    for module in built.modules():
        if type(module).__name__ == ATTENTION and vars(module).keys() >= ATTENTION_PARTS:
            module.forward = MethodType(_attend, module)
    side = timm_notes(network)["input_size"]
    built.shape = tuple(side)  # type: ignore[assignment]  # read by networks.input_shape
    return built


ATTENTION = "Attention"
"""timm's class of a transformer's attention; others that call theirs so lack some of these."""
ATTENTION_PARTS = frozenset({"num_heads", "head_dim", "scale"})


def _attend(module: Any, x: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    """Attention (Vaswani et al. 2017) with timm's weights, of (n, places, channels).

    timm splits query, key and value as a tensor of five dimensions, and ncnn has four at most: what
    is written anew for it takes a third more layers.
    """
    n, places, heads = *x.shape[:2], module.num_heads
    query, key, value = (
        part.reshape(n, places, heads, module.head_dim).transpose(1, 2)
        for part in module.qkv(x).chunk(3, dim=-1)
    )
    query, key = module.q_norm(query), module.k_norm(key)
    weight = (query * module.scale @ key.transpose(-2, -1)).softmax(dim=-1)
    seen = (weight @ value).transpose(1, 2).reshape(n, places, heads * module.head_dim)
    return _project(module, x, seen)


def _project(module: Any, x: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Newer versions of timm can normalise and gate what was seen."""
    seen = module.norm(seen) if hasattr(module, "norm") else seen
    gate = getattr(module, "gate", None)
    out: torch.Tensor = module.proj(seen if gate is None else seen * gate(x).sigmoid())
    return out


def timm_notes(network: str) -> JsonObject:
    """What timm says of the network's weights: ``mean``, ``std``, ``input_size``, ``crop_pct``.

    Raises as ``build_timm_network`` does.
    """
    name = require_timm_name(network)
    notes: JsonObject = _timm().get_pretrained_cfg(name).to_dict()
    return notes


def require_timm_name(network: str) -> str:
    """The name without its folder. Raises ``WrongInput`` where timm does not have it."""
    name = network.removeprefix(TIMM_FOLDER)
    timm = _timm()
    if not TIMM_NAME.fullmatch(name) or not timm.is_model(name.partition(".")[0]):
        raise WrongInput(
            f"timm {timm.__version__} has no network '{name}'"
            f"{did_you_mean(name, timm.list_models())}",
            remedy="timm.list_models() lists its names",
        )
    return name


@cache
def _timm() -> Any:
    torchvision_models()  # timm imports torchvision, which must go with this torch
    try:
        return importlib.import_module("timm")
    except ImportError:
        raise NotSetUp(
            "networks of timm need timm, which is not installed",
            remedy=f"{sys.executable} -m pip install timm",
        ) from None
