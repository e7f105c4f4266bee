"""Encoders of pictures and texts, so small that a test can make and convert them on the spot."""

from __future__ import annotations

import torch

from piyard.models.architectures import clip
from piyard.models.architectures.clip import ClipConfig, ClipNetwork, ImageConfig, TextConfig
from piyard.models.architectures.clip_blocks import TowerConfig
from piyard.models.synthetic import random_tensor

WIDTH, SIDE, PATCH = 32, 32, 8


def tiny_config(kind: str) -> ClipConfig:
    """As OpenAI's (``clip``), or as SigLIP (``siglip``)."""
    if kind == "siglip":
        tower = TowerConfig(WIDTH, 2, 2, "tanh", 1e-6)
        text = TextConfig(tower, vocabulary=600, context=8)
        return ClipConfig(WIDTH, ImageConfig(tower, SIDE, PATCH), text, is_siglip=True)
    tower = TowerConfig(WIDTH, 2, 2)
    text = TextConfig(tower, vocabulary=49408, context=16)
    return ClipConfig(24, ImageConfig(tower, SIDE, PATCH), text)


def use_tiny(monkeypatch, kind: str = "clip") -> ClipConfig:
    """Networks of models/ are tiny from now on."""
    config = tiny_config(kind)
    name = "siglip-base-patch16-224" if kind == "siglip" else "clip-vit-b32"
    monkeypatch.setitem(clip.CONFIGS, name, config)
    return config


def numbered_network(kind: str) -> ClipNetwork:
    """Weights that any program can make again: tensor by tensor in the order of their names."""
    network = ClipNetwork(tiny_config(kind)).eval()
    with torch.no_grad():
        for seed, (name, values) in enumerate(sorted(network.named_parameters())):
            if name not in {"logit_scale", "logit_bias"}:
                drawn = torch.from_numpy(random_tensor((values.numel(),), 100 + seed))
                around = 1.0 if name.endswith(("ln_1.weight", "ln_2.weight")) else 0.0
                values.copy_(drawn.reshape(values.shape) * 0.3 + around)
    return network
