"""A transformer's files: its configuration, and its tensors one by one, by Hugging Face's names.

A folder of Hugging Face (``config.json``, ``model.safetensors`` or its shards), a GGUF file, or a
file of llama2.c. A large model never has to be in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from piyard.core.errors import ConversionFailed, WrongInput
from piyard.language.config import (
    CONFIG_FILE,
    TransformerConfig,
    read_huggingface_config,
    read_json,
)
from piyard.language.gguf_config import gguf_config, huggingface_name
from piyard.language.gguf_file import GgufFile, is_gguf
from piyard.models.llama2c import Llama2cFile, is_llama2c, unpair_rows
from piyard.models.picture_tensors import picture_shapes
from piyard.models.tensor_file import TensorFile

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


WEIGHTS_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
MAX_INDEX_BYTES = 50_000_000
EMBEDDING, OUTPUT = "model.embed_tokens.weight", "lm_head.weight"
UNUSED_ENDINGS = (".rotary_emb.inv_freq", "rope_freqs.weight", ".position_ids")
"""Tensors that follow from the configuration."""
TEXT_PREFIX = "model.text_model."
"""Of a decoder's tensors where there is an encoder of pictures beside; ``model.`` elsewhere."""


class TensorSource(Protocol):
    """Weights by Hugging Face's names."""

    config: TransformerConfig
    path: Path

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of each tensor there is."""

    def read(self, name: str) -> Floats:
        """A tensor's values in float32. Raises ``ConversionFailed`` when it is not there."""


class FolderSource:
    """A folder of Hugging Face."""

    def __init__(self, folder: Path) -> None:
        """Read the heads of its files. Raises ``WrongInput`` and ``ConversionFailed``."""
        self.path = folder
        self.config = read_huggingface_config(folder)
        self._open(_weight_files(folder))

    def _open(self, files: list[Path]) -> None:
        opened = [TensorFile(file) for file in files]
        self._files = {name: file for file in opened for name in file.shapes}
        prefix = TEXT_PREFIX if self.config.pictures else "model."
        self._stored = {
            f"model.{name.removeprefix(prefix)}" if name.startswith(prefix) else name: name
            for name in self._files
        }

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of each tensor there is."""
        shapes = {name: self._files[at].shapes[at] for name, at in self._stored.items()}
        if self._has_output_only:
            shapes[EMBEDDING] = shapes.pop(OUTPUT)
        return shapes

    def read(self, name: str) -> Floats:
        """A tensor's values in float32."""
        stored_name = OUTPUT if name == EMBEDDING and self._has_output_only else name
        if stored_name not in self._stored:
            raise ConversionFailed(f"{self.path}: there is no tensor '{name}'")
        stored = self._stored[stored_name]
        values: Floats = self._files[stored].read(stored).float().numpy()
        return values

    @property
    def _has_output_only(self) -> bool:
        """Of a table that is stored once, safetensors keeps one of two names."""
        return self.config.tied and EMBEDDING not in self._stored and OUTPUT in self._stored


class FileSource(FolderSource):
    """One file of safetensors whose configuration is known from elsewhere."""

    def __init__(self, file: Path, config: TransformerConfig) -> None:
        """Read its head. Raises ``ConversionFailed``."""
        self.path, self.config = file, config
        self._open([file])


class GgufSource:
    """A GGUF file; Llama's queries and keys are stored in pairs and come in halves."""

    def __init__(self, path: Path) -> None:
        """Read its head. Raises ``WrongInput`` and ``ConversionFailed``."""
        self.path = path
        self.file = GgufFile(path)
        self.config = gguf_config(self.file)
        self._stored = {huggingface_name(name) or name: name for name in self.file.tensors}

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of each tensor there is."""
        return {name: self.file.tensors[stored].shape for name, stored in self._stored.items()}

    def read(self, name: str) -> Floats:
        """A tensor's values in float32."""
        values = self.file.read(self._stored.get(name, name))
        heads = {"q_proj": self.config.heads, "k_proj": self.config.kv_heads}
        part = name.split(".")[-2]
        if self.config.family == "llama" and part in heads:
            return unpair_rows(values, heads[part])
        return values


def open_tensors(path: Path) -> TensorSource:
    """The weights at the path, checked for the names and shapes that its configuration asks for.

    Raises ``WrongInput`` for what is not such a file, and ``ConversionFailed`` for a broken one.
    """
    source = _open_source(path)
    require_tensors(source)
    return source


def _open_source(path: Path) -> TensorSource:
    if path.is_dir():
        return FolderSource(path)
    if not path.is_file():
        raise WrongInput(f"there is no file {path}")
    if is_gguf(path):
        return GgufSource(path)
    if is_llama2c(path):
        return Llama2cFile(path)
    raise WrongInput(
        f"{path} holds no language model that piyard can read",
        remedy="name a folder of Hugging Face with config.json and safetensors, or a GGUF file",
    )


def require_tensors(source: TensorSource) -> None:
    """Raise ``ConversionFailed`` unless every tensor is there in its shape, and no other one."""
    expected, there = all_shapes(source.config), source.shapes
    wrong = [
        f"'{name}' is {describe_shape(there[name])} and not {describe_shape(shape)}"
        if name in there
        else f"'{name}' is missing"
        for name, shape in expected.items()
        if there.get(name) != shape
    ]
    tied = {OUTPUT} if source.config.tied else set()
    further = [
        f"'{name}' belongs to no part of it"
        for name in sorted(there.keys() - expected.keys() - tied)
        if not name.endswith(UNUSED_ENDINGS)
    ]
    if wrong or further:
        raise ConversionFailed(
            f"{source.path}: the tensors do not fit a {source.config.family} of its configuration",
            evidence="\n".join([*wrong, *further][:12]),
            remedy="check that the configuration belongs to these weights",
        )


def describe_shape(shape: tuple[int, ...]) -> str:
    """As a person writes it."""
    return " x ".join(map(str, shape))


def tensor_shapes(config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor that such a decoder has."""
    hidden = config.hidden
    shapes: dict[str, tuple[int, ...]] = {
        EMBEDDING: (config.vocabulary, hidden),
        "model.norm.weight": (hidden,),
    }
    if not config.tied:
        shapes[OUTPUT] = (config.vocabulary, hidden)
    for layer in range(config.layers):
        names = block_shapes(config).items()
        shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in names}
    return shapes


def all_shapes(config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    """The same, and of an encoder of pictures where there is one."""
    shapes = tensor_shapes(config)
    return shapes | picture_shapes(config.pictures, config.hidden) if config.pictures else shapes


def block_shapes(config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    """Of the tensors of one block."""
    hidden, inner = config.hidden, config.feed_forward
    queries, keys = config.query_width, config.kv_width
    shapes: dict[str, tuple[int, ...]] = {
        "input_layernorm.weight": (hidden,),
        "self_attn.q_proj.weight": (queries, hidden),
        "self_attn.k_proj.weight": (keys, hidden),
        "self_attn.v_proj.weight": (keys, hidden),
        "self_attn.o_proj.weight": (hidden, queries),
        "post_attention_layernorm.weight": (hidden,),
        "mlp.gate_proj.weight": (inner, hidden),
        "mlp.up_proj.weight": (inner, hidden),
        "mlp.down_proj.weight": (hidden, inner),
    }
    if config.qkv_bias:
        shapes |= {"self_attn.q_proj.bias": (queries,)}
        shapes |= {f"self_attn.{part}_proj.bias": (keys,) for part in "kv"}
    if config.qk_norm:
        shapes |= {f"self_attn.{part}_norm.weight": (config.head_dim,) for part in "qk"}
    return shapes


def read_finite(source: TensorSource, name: str) -> Floats:
    """A tensor without NaN or infinity. Raises ``ConversionFailed``."""
    import numpy as np

    values = source.read(name)
    if not np.isfinite(values).all():
        raise ConversionFailed(
            f"{source.path}: '{name}' holds NaN or infinity",
            remedy="the weights are broken: download or train them again",
        )
    return values


def read_block(source: TensorSource, layer: int) -> dict[str, torch.Tensor]:
    """The tensors of a block, by their names within it."""
    import torch

    names = block_shapes(source.config)
    prefix = f"model.layers.{layer}."
    return {name: torch.from_numpy(read_finite(source, prefix + name)) for name in names}


def load_decoder(source: TensorSource) -> Any:
    """The whole ``transformer.Decoder`` with these weights, in evaluation mode."""
    import torch

    from piyard.models.architectures.transformer import Decoder

    with torch.device("meta"):
        decoder = Decoder(source.config)
    names = tensor_shapes(source.config)
    state = {name: torch.from_numpy(read_finite(source, name)) for name in names}
    if source.config.tied:
        state[OUTPUT] = state[EMBEDDING]
    decoder.load_state_dict(state, assign=True)
    return decoder.eval()


def _weight_files(folder: Path) -> list[Path]:
    """The only file of weights, or the shards that an index lists."""
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    if not (folder / INDEX_FILE).is_file():
        raise WrongInput(
            f"{folder} has no {WEIGHTS_FILE}",
            remedy=f"a folder of Hugging Face has {CONFIG_FILE} and {WEIGHTS_FILE}; weights in "
            ".bin files are pickles: save the model with save_pretrained",
        )
    listed = read_json(folder / INDEX_FILE, MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(name, str) for name in listed.values()):
        raise WrongInput(f"{folder / INDEX_FILE} has no `weight_map` of file names")
    names = sorted(set(listed.values()))
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise WrongInput(
                f"{folder / INDEX_FILE} lists '{name}', which is not in the folder",
                remedy="copy all of its files",
            )
    return [folder / name for name in names]
