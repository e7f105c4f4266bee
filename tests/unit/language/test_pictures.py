"""Models that see pictures: their configuration, and how a picture stands in a prompt."""

import json

import msgspec
import pytest

from piyard.core.errors import ConversionFailed, WrongInput
from piyard.language.config import read_huggingface_config
from piyard.language.pictures import PICTURE_TOKEN, PictureConfig
from piyard.language.tokenizer.chat import Message, read_chat, render_template
from piyard.language.tokenizer.compiling import compile_tokenizer
from piyard.models.language_models import load_language_model
from tests.support import chat_templates, tokenizers
from tests.support.language_models import TINY_PICTURES, huggingface_json, variant

CONFIG = variant(pictures=TINY_PICTURES, tied=False)


def written(folder, processor=None, **changes):
    values = huggingface_json(CONFIG)
    for key, value in changes.items():
        inner = key in {"num_attention_heads", "hidden_act"}
        (values["vision_config"] if inner else values)[key] = value
    (folder / "config.json").write_text(json.dumps(values))
    if processor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def test_a_folders_configuration_is_read(tmp_path):
    assert read_huggingface_config(written(tmp_path)) == CONFIG


def test_the_processor_says_how_a_picture_is_resized(tmp_path):
    processor = {
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.2, 0.25, 0.5],
        "resample": 3,
        "size": {"longest_edge": 96},
        "max_image_size": {"longest_edge": 48},
    }
    pictures = read_huggingface_config(written(tmp_path, processor)).pictures
    assert pictures
    assert pictures.preprocess.longest == 96
    assert pictures.preprocess.resample == "bicubic"
    assert pictures.preprocess.mean == pytest.approx((102, 127.5, 153))
    assert pictures.preprocess.norm == pytest.approx((1 / 51, 1 / 63.75, 1 / 127.5))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scale_factor": 4}, "not a whole number of 4 x 4 patches"),
        ({"num_attention_heads": 3}, "each of the heads"),
        ({"hidden_act": "relu"}, "not GELU by tanh"),
        ({"vision_config": None}, "no `vision_config`"),
        ({"text_config": 3}, "no `text_config`"),
        ({"image_token_id": 96}, "token 96 of 96"),
        ({"image_token_id": "x"}, "Expected `int`"),
    ],
)
def test_what_cannot_be_computed_is_refused(tmp_path, changes, said):
    folder = written(tmp_path, **changes)
    with pytest.raises(WrongInput, match=said):
        read_huggingface_config(folder)


@pytest.mark.parametrize(
    ("processor", "said"),
    [
        ({"resample": 4}, "`resample` 4"),
        ({"max_image_size": {"longest_edge": 364}}, "not the encoder's 48"),
        ({"image_std": [0, 0, 0]}, "`image_std`"),
        ({"image_mean": [0.5]}, "numbers and `order` rgb 3"),
        ({"size": {"longest_edge": 0.5}}, "Expected `int"),
    ],
)
def test_a_processor_that_is_not_known_is_refused(tmp_path, processor, said):
    with pytest.raises(WrongInput, match=said):
        read_huggingface_config(written(tmp_path, processor))


def test_smolvlm_has_the_published_size():
    language = load_language_model("smolvlm_256m").language
    assert language.params == 256_484_928
    assert language.pictures
    assert language.pictures.rows == 64
    assert language.pictures.joined == 12_288


def test_a_template_of_parts_shows_a_picture_first():
    segments = read_chat(chat_templates.PARTS, {}, "chat", TINY_PICTURES.text)
    shown = {"type": "image"}
    talk = [Message("user", "What is it? 猫"), Message("assistant", "A cat."), Message("user", "?")]
    for first in ([], [Message("system", "Be brief.")]):
        messages = [*first, *talk]
        contents = [[{"type": "text", "text": each.content}] for each in messages]
        contents[len(first)].insert(0, shown)
        parts = [
            {"role": each.role, "content": content}
            for each, content in zip(messages, contents, strict=True)
        ]
        call = {"messages": parts, "add_generation_prompt": True}
        (text,) = render_template(chat_templates.PARTS, {}, [call])
        assert text
        expected = text.replace(PICTURE_TOKEN, TINY_PICTURES.text)
        assert segments.render(messages, picture=True) == expected
    assert PICTURE_TOKEN not in segments.render(talk)


def test_a_template_without_pictures_is_refused():
    blind = chat_templates.PARTS.replace(PICTURE_TOKEN, "")
    with pytest.raises(ConversionFailed, match="it does not write <image> once"):
        read_chat(blind, {}, "chat", TINY_PICTURES.text)
    with pytest.raises(ConversionFailed, match="chat template"):
        read_chat(chat_templates.CHATML, chat_templates.SPECIAL, "chat", TINY_PICTURES.text)


def test_another_models_tokenizer_is_refused():
    pictures = msgspec.structs.replace(TINY_PICTURES, token=3)
    assert isinstance(pictures, PictureConfig)
    with pytest.raises(ConversionFailed, match="9 times the token 3"):
        compile_tokenizer(tokenizers.json_of("gpt2"), "gpt2", pictures=pictures)
