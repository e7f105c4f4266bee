"""Encoders of pictures and texts: right values, official names, and their conversion with proof."""

from __future__ import annotations

import json
import re

import msgspec
import numpy as np
import pytest
import torch

from piyard.convert.converter import convert_model
from piyard.convert.ncnn_net import net_function
from piyard.convert.ranking import compare_rankings
from piyard.convert.text_encoder import SENTENCES_KIND, read_table, text_inputs, write_table
from piyard.convert.torchscript import torch_warnings_off
from piyard.core.errors import ConversionFailed
from piyard.language.clip_tokens import encode_text
from piyard.language.clip_vocabulary import load_tokenizer
from piyard.models.architectures.clip import ClipNetwork, build_clip
from piyard.models.architectures.clip_names import rename_tensors
from piyard.models.definition import load_model
from piyard.models.networks import inference
from piyard.models.script_archive import is_script_archive, read_script_tensors
from piyard.models.synthetic import random_tensor, randomise
from piyard.vision.schema import Crop, TextConfig
from tests.support.tiny_clip import SIDE, numbered_network, use_tiny

# transformers 5.24's CLIPModel and SiglipModel with the weights of ``numbered_network``:
# the first six values of each embedding, and its length.
IMAGES = {
    "clip": ([-0.07664, 0.29521, -0.3342, 0.03159, 0.09679, -0.23244], 1.18454),
    "siglip": ([-0.734, -0.24954, 0.75588, -0.37766, -0.0328, 0.60819], 2.66615),
}
TEXTS = {
    "clip": ([-0.10764, 0.07618, 0.11922, 0.11048, -0.32556, 0.10201], 1.50586),
    "siglip": ([-0.19582, 0.27288, -0.08131, 0.03751, 0.60489, -0.18933], 1.72665),
}
TOKENS = {"clip": [49406, 320, 1125, 49407], "siglip": [71, 328, 1, 1, 1, 1, 1, 1]}


@pytest.mark.parametrize("kind", IMAGES)
def test_embeddings_are_those_that_transformers_computes(kind):
    network = numbered_network(kind)
    picture = torch.from_numpy(random_tensor((1, 3, SIDE, SIDE), 7))
    with torch.no_grad():
        computed = {"image": network(picture)[0], "text": network.encode_text(TOKENS[kind])}
    for values, (first, length) in (
        (computed["image"], IMAGES[kind]),
        (computed["text"], TEXTS[kind]),
    ):
        assert values[: len(first)].tolist() == pytest.approx(first, abs=2e-5)
        assert float(values.norm()) == pytest.approx(length, abs=1e-4)


def hugging_face_state(network, *, siglip):
    """The tensors as Hugging Face names and shapes them, written from its modules' names."""
    tensors = {}
    for name, values in network.state_dict().items():
        if result := re.fullmatch(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+)", name):
            tower = "vision" if result[1] else "text"
            block = f"{tower}_model.encoder.layers.{result[2]}."
            part = result[3].replace("ln_", "layer_norm").replace("mlp.c_fc", "mlp.fc1")
            part = part.replace("mlp.c_proj", "mlp.fc2").replace("attn.", "self_attn.", 1)
            if "in_proj" in part:
                for letter, third in zip("qkv", values.chunk(3), strict=True):
                    tensors[f"{block}self_attn.{letter}_proj.{part.rpartition('_')[2]}"] = third
            else:
                tensors[block + part] = values
        else:
            tensors |= _plain_hugging_face(name, values, siglip=siglip)
    return {name: values.contiguous() for name, values in tensors.items()}


def _plain_hugging_face(name, values, *, siglip):
    text, vision = "text_model.", "vision_model."
    renamed = {
        "token_embedding.weight": f"{text}embeddings.token_embedding.weight",
        "positional_embedding": f"{text}embeddings.position_embedding.weight",
        "ln_final.weight": f"{text}final_layer_norm.weight",
        "ln_final.bias": f"{text}final_layer_norm.bias",
        "text_projection_bias": f"{text}head.bias",
        "visual.class_embedding": f"{vision}embeddings.class_embedding",
        "visual.conv1.weight": f"{vision}embeddings.patch_embedding.weight",
        "visual.conv1.bias": f"{vision}embeddings.patch_embedding.bias",
        "visual.positional_embedding": f"{vision}embeddings.position_embedding.weight",
        "visual.ln_pre.weight": f"{vision}pre_layrnorm.weight",
        "visual.ln_pre.bias": f"{vision}pre_layrnorm.bias",
        "visual.ln_post.weight": f"{vision}post_layernorm.weight",
        "visual.ln_post.bias": f"{vision}post_layernorm.bias",
    }
    if name == "text_projection":
        return {f"{text}head.weight" if siglip else "text_projection.weight": values.t()}
    if name == "visual.proj":
        return {"visual_projection.weight": values.t()}
    if name.startswith("visual.head."):
        part = name.removeprefix("visual.head.").replace("mlp.c_fc", "mlp.fc1")
        return {f"{vision}head.{part.replace('mlp.c_proj', 'mlp.fc2')}": values}
    if name in {"logit_scale", "logit_bias"}:
        return {name: values.reshape(1) if siglip else values}
    return {renamed[name]: values}


@pytest.mark.parametrize("kind", IMAGES)
def test_hugging_faces_tensors_are_found_under_our_names(kind):
    network = numbered_network(kind)
    state = hugging_face_state(network, siglip=kind == "siglip")
    if kind == "clip":
        state["text_model.embeddings.position_ids"] = torch.arange(16)[None]
    renamed = rename_tensors(state)
    assert renamed.keys() == network.state_dict().keys()
    assert all(torch.equal(renamed[name], own) for name, own in network.state_dict().items())


def test_numbers_among_openais_tensors_are_left_out():
    state = numbered_network("clip").state_dict()
    notes = {name: torch.tensor(224) for name in ("input_resolution", "context_length")}
    assert rename_tensors({**state, **notes}).keys() == state.keys()


def tiny_model(kind="clip"):
    """A model of models/ with a tiny network, for pictures of its size."""
    model = load_model("siglip_base" if kind == "siglip" else "clip_vit_b32")
    preprocess = model.preprocess
    if isinstance(preprocess, Crop):
        preprocess = msgspec.structs.replace(preprocess, resize=SIDE, crop=SIDE)
    assert model.text
    context = 8 if kind == "siglip" else 16
    text = msgspec.structs.replace(model.text, context=context, prompt="{}")
    return msgspec.structs.replace(
        model, input=(3, SIDE, SIDE), preprocess=preprocess, text=text, parts={}
    )


@pytest.fixture
def short_labels(monkeypatch):
    """As bytes, a label has a token a letter."""
    monkeypatch.setattr("piyard.convert.text_encoder.PROOF_LABELS", ("dog", "cat", "red", "fish"))


def test_both_encoders_are_converted_and_proved(monkeypatch, short_labels):
    use_tiny(monkeypatch)
    model = tiny_model()
    conversion = convert_model(model, random_weights=True)
    assert conversion.stems == ["model", "text"]
    proof = conversion.manifest.proof["fp32"]
    assert proof.inputs[SENTENCES_KIND]["text:out0"].cosine > 0.99999
    assert proof.inputs["noise"]["out0"].cosine > 0.99999
    assert proof.ranking
    assert proof.ranking.swapped == 0
    assert proof.ranking.texts == 4
    assert conversion.manifest.fused == ["model", "text"]
    half = conversion.manifest.proof["fp16"]
    assert half.inputs[SENTENCES_KIND]["text:out0"].cosine > 0.9999
    assert half.inputs["noise"]["out0"].cosine > 0.9999
    assert conversion.board_files("fp16")["text.ncnn.bin"] == "text.fused.bin"
    assert conversion.board_files("fp32")["text.ncnn.bin"] == "text.ncnn.bin"
    figures = conversion.manifest.texts
    assert figures
    assert figures.bias == 0
    assert figures.scale == pytest.approx(1 / 0.07, rel=0.3)
    assert {"text.tokens", "tokenizer.bin", "text.ncnn.bin"} <= set(conversion.net_files)


def test_a_text_of_any_length_is_embedded_as_by_the_original(monkeypatch, short_labels):
    config = use_tiny(monkeypatch)
    model = tiny_model()
    folder = convert_model(model, random_weights=True).folder
    network = ClipNetwork(config).eval()
    with inference():
        randomise(network)
        compute = net_function(folder, "text")
        tokens, positions = read_table(folder / "text.tokens")
        tokenizer = load_tokenizer((folder / "tokenizer.json").read_text(), "tokenizer.json")
        for text in ("a", "red cars", "zwei Pferde"):
            assert model.text
            ids = encode_text(tokenizer, model.text, text)
            exact = [np.asarray(each, np.float32) for each in (tokens, positions)]
            (rows,) = compute(*text_inputs(exact[0], exact[1], ids, model.text))
            expected = network.encode_text(ids).numpy()
            assert rows.shape == (len(ids), 24)
            np.testing.assert_allclose(rows[-1], expected, atol=5e-3)


def test_siglip_is_converted_and_proved(monkeypatch, short_labels):
    use_tiny(monkeypatch, "siglip")
    conversion = convert_model(tiny_model("siglip"), random_weights=True)
    proof = conversion.manifest.proof["fp32"]
    assert proof.inputs[SENTENCES_KIND]["text:out0"].cosine > 0.99999
    assert conversion.manifest.texts
    assert conversion.manifest.texts.bias == -10
    assert json.loads((conversion.folder / "manifest.json").read_text())["text"]["filled"] is True


def test_a_table_that_was_cut_is_refused(tmp_path):
    file = tmp_path / "text.tokens"
    write_table(file, np.ones((5, 4), np.float32), np.ones((2, 4), np.float32))
    tokens, positions = read_table(file)
    assert tokens.shape == (5, 4)
    assert positions.shape == (2, 4)
    file.write_bytes(file.read_bytes()[:-2])
    with pytest.raises(ConversionFailed, match=r"text\.tokens is not a table of tokens"):
        read_table(file)


def test_swapped_texts_count_by_how_far_the_original_has_them_apart():
    texts = [np.array(row, np.float32) for row in ([1, 0], [0.9, 0.1], [0, 1])]
    picture = [np.array([1, 0.2], np.float32)]
    same = compare_rankings(picture, texts, picture, texts)
    assert (same.swapped, same.same_first, same.max_abs) == (0, 1, 0)
    other = compare_rankings(picture, texts, [np.array([0.2, 1], np.float32)], texts)
    assert (other.swapped, other.same_first) == (2, 0)
    assert other.swapped_by > 0.7
    assert "2 pairs of texts" in other.problem(0.01)
    assert not same.problem(0)


def test_text_is_for_networks_that_have_such_an_encoder():
    model = load_model("resnet18")
    with pytest.raises(ValueError, match="`text` is for task clip"):
        msgspec.convert(
            {**msgspec.to_builtins(model), "text": msgspec.to_builtins(CLIP_TEXT)}, type(model)
        )


CLIP_TEXT = TextConfig(context=8, end=1, activation="softmax")


def test_sizes_are_the_published_ones():
    with torch.device("meta"):
        for name in ("clip_vit_b32", "clip_rn50", "tinyclip", "siglip_base"):
            model = load_model(name)
            count = sum(values.numel() for values in build_clip(model.network).parameters())
            assert count == model.published.params


def test_a_program_of_torchscript_gives_its_weights_and_is_not_run(tmp_path):
    """As OpenAI publishes CLIP, in fp16."""
    network = numbered_network("clip").half()
    zeros = torch.zeros(1, 3, SIDE, SIDE)
    file = tmp_path / "ViT-B-32.pt"
    with torch.no_grad(), torch_warnings_off():
        torch.jit.save(torch.jit.trace(network.float(), zeros, check_trace=False), file)
    assert is_script_archive(file)
    state = rename_tensors(read_script_tensors(file))
    assert state.keys() == network.state_dict().keys()
    assert all(torch.equal(state[name], own) for name, own in network.state_dict().items())


def test_other_archives_are_no_programs(tmp_path):
    file = tmp_path / "state.pt"
    torch.save(numbered_network("clip").state_dict(), file)
    assert not is_script_archive(file)
    (tmp_path / "text").write_text("no archive")
    assert not is_script_archive(tmp_path / "text")
