"""What nnrun is told about an answer, and what cannot answer."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from piyard.convert.language.conversions import TOKENIZER_FILE
from piyard.core.errors import WrongInput
from piyard.models.language_models import load_language_model
from piyard.predict.answering import answer_words
from piyard.predict.answers import AnswerOptions


def conversion(files: list[str], **changes: Any) -> Any:
    """One of SmolVLM, as far as an answer looks at it."""
    model = load_language_model("smolvlm_256m")
    return SimpleNamespace(model=msgspec.structs.replace(model, **changes), files=files)


def test_a_tokenizer_is_named() -> None:
    words = answer_words(conversion([TOKENIZER_FILE]), AnswerOptions(prompt="What?"))
    assert words[:2] == ["--tokenizer", TOKENIZER_FILE]


def test_random_weights_that_see_pictures_have_no_tokenizer_though_the_model_names_one() -> None:
    with pytest.raises(WrongInput, match="with random weights has no tokenizer") as error:
        answer_words(conversion([]), AnswerOptions(prompt="What?"))
    assert error.value.remedy == "leave --random-weights away; prove and bench need no tokenizer"


def test_a_model_without_a_tokenizer_says_where_to_name_one() -> None:
    with pytest.raises(WrongInput, match="smolvlm_256m has no tokenizer, so it") as error:
        answer_words(conversion([], tokenizer=None), AnswerOptions(prompt="What?"))
    assert error.value.remedy == "name one in its YAML"
