"""A model that sees pictures: its encoder, its conversion, and the original's values."""

import importlib

import numpy as np
import pytest
import torch
from PIL import Image

from piyard.convert.language.converter import convert_language_model
from piyard.convert.language.encoder_twin import load_twin
from piyard.convert.language.formats import FORMATS
from piyard.convert.language.picture_tower import PICTURE_FILES, fuse_tower
from piyard.convert.language.plan import plan_language
from piyard.core.errors import ConversionFailed
from piyard.models.smolvlm import join_patches, load_picture_tower, place_ids
from piyard.models.synthetic import random_tensor
from piyard.models.transformer_files import TEXT_PREFIX, load_decoder, open_tensors
from piyard.vision.preprocess import prepare_picture
from tests.conversion.language.test_conversion import tiny
from tests.support.language_models import (
    TINY_PICTURES,
    stored_name,
    tiny_weights,
    variant,
    write_folder,
)

CONFIG = variant(pictures=TINY_PICTURES, tied=False)
PICTURE = random_tensor((3, 48, 48), 5)
IDS = [1, 5, *[TINY_PICTURES.token] * TINY_PICTURES.rows, 7, 9, 11]


@pytest.fixture(autouse=True)
def _own_artifacts(tmp_path, monkeypatch):
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))


@pytest.fixture
def source(tmp_path):
    return open_tensors(write_folder(tmp_path / "model", CONFIG))


def logits_of(source):
    """Of the modules here, the picture's rows among the tokens' embeddings."""
    with torch.no_grad():
        rows = load_picture_tower(source)(torch.from_numpy(PICTURE)[None])[0]
        decoder = load_decoder(source)
        embedded = decoder.model.embed_tokens(torch.tensor(IDS))
        embedded[torch.tensor(IDS) == TINY_PICTURES.token] = rows
        return rows.numpy(), decoder.run_rows(embedded).numpy()


def test_it_is_transformers_idefics3(source):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("tvshim", reason="transformers reads pictures with torchvision")
    config = transformers.Idefics3Config.from_pretrained(source.path)
    original = transformers.Idefics3ForConditionalGeneration(config).eval()
    weights = tiny_weights(CONFIG)
    state = {stored_name(name, CONFIG): torch.from_numpy(weights[name]) for name in weights}
    assert not any(original.load_state_dict(state, strict=True))
    pixels = torch.from_numpy(PICTURE)[None, None]
    with torch.no_grad():
        expected = original(input_ids=torch.tensor([IDS]), pixel_values=pixels).logits[0].numpy()
    _, logits = logits_of(source)
    assert np.abs(logits - expected).max() < 1e-4


def test_places_are_looked_up_as_the_original_does():
    assert place_ids(32).tolist() == list(range(1024))
    assert place_ids(3).tolist() == list(range(9))


def test_a_row_joins_a_square_of_patches():
    patches = torch.arange(16.0)[None, :, None]
    assert join_patches(patches, 2)[0].tolist() == [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
        [8, 9, 12, 13],
        [10, 11, 14, 15],
    ]


@pytest.mark.parametrize(("bits", "near"), [(32, 1e-5), (16, 2e-3), (8, 0.05)])
def test_the_files_hold_the_encoder(source, tmp_path, bits, near):
    tower = load_picture_tower(source)
    fuse_tower(tower, bits).write(tmp_path, "picture")
    rows = load_twin(tmp_path, "picture")(PICTURE)["out0"]
    expected, _ = logits_of(source)
    assert rows.shape == (TINY_PICTURES.rows, CONFIG.hidden)
    assert np.abs(rows - expected).max() < near * np.abs(expected).max()


def test_it_is_converted_and_proved_in_each_precision():
    for precision in FORMATS:
        plan = plan_language(tiny(CONFIG), precision, random_weights=True)
        conversion = convert_language_model(plan)
        assert conversion.files == ["model.ncnn.param", "model.ncnn.bin", *PICTURE_FILES]
        proof = conversion.manifest.pictures
        assert proof
        assert proof.cosine > (0.99999 if precision.startswith("fp") else 0.998)
        assert proof.agreement.tokens == 2 * 119
        assert (proof.agreement.top1 > 0.99) == precision.startswith("fp")
        assert proof.format.bits == {"fp32": 32, "fp16": 16}.get(precision, 8)
        assert conversion.manifest.params == CONFIG.params


def test_an_encoder_that_is_not_whole_is_refused(tmp_path):
    weights = tiny_weights(CONFIG)
    weights.pop("model.vision_model.post_layernorm.bias")
    folder = write_folder(tmp_path / "model", CONFIG, weights)
    with pytest.raises(ConversionFailed, match="do not fit") as raised:
        open_tensors(folder)
    assert "post_layernorm.bias' is missing" in raised.value.evidence


def test_a_decoders_names_are_those_of_any_decoder(source):
    assert not any(name.startswith(TEXT_PREFIX) for name in source.shapes)
    assert source.shapes["model.embed_tokens.weight"] == (96, 32)


@pytest.mark.parametrize("size", [(90, 61), (33, 200), (700, 512)])
def test_a_picture_is_resized_as_the_originals_processor_does(size):
    pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("tvshim", reason="transformers reads pictures with torchvision")
    name = "transformers.models.idefics3.image_processing_pil_idefics3"
    originals = importlib.import_module(name)
    processor = originals.Idefics3ImageProcessorPil(
        size={"longest_edge": 192}, max_image_size={"longest_edge": 48}, do_image_splitting=False
    )
    levels = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), np.uint8)
    picture = Image.fromarray(levels)
    expected = processor(images=[[picture]], return_tensors="np")["pixel_values"][0, 0]
    got = prepare_picture(picture, TINY_PICTURES.preprocess, TINY_PICTURES.input[1:])
    assert np.abs(got - expected).max() < 1e-6
