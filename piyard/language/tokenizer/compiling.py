"""A ``tokenizer.json`` as the flat file that nnrun maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from piyard.core.errors import ConversionFailed
from piyard.language.pictures import PICTURE_TOKEN, PictureConfig
from piyard.language.tokenizer.chat import CHAT_TEXTS, ChatSegments
from piyard.language.tokenizer.decoding import Decoder, read_decoder
from piyard.language.tokenizer.definition import (
    AddedToken,
    BertProcessing,
    Bpe,
    ByteLevel,
    Chain,
    PostProcessor,
    RobertaProcessing,
    TemplateProcessing,
    TokenizerDefinition,
    read_definition,
    refuse,
)
from piyard.language.tokenizer.flat_file import FlatFile, Section
from piyard.language.tokenizer.regex_parse import UnknownPattern
from piyard.language.tokenizer.stages import NormalizerKind, Stages
from piyard.language.tokenizer.trie import Trie, make_trie
from piyard.language.tokenizer.unicode_tables import Mapping, load_tables, two_stages
from piyard.language.tokenizer.vocabulary import (
    MAX_TOKENS,
    UnknownVocabulary,
    add_merges,
    add_symbols,
    add_tokens,
)

Ends = ByteLevel | TemplateProcessing | RobertaProcessing | BertProcessing


def compile_tokenizer(
    data: bytes,
    name: str = "tokenizer.json",
    *,
    chat: ChatSegments | None = None,
    end_tokens: Sequence[str] = (),
    end_ids: Sequence[int] = (),
    pictures: PictureConfig | None = None,
) -> bytes:
    """The flat file; ``end_tokens`` and ``end_ids`` are what a model ends its text with.

    Raises ``ConversionFailed``, in one line, for what piyard cannot compute.
    """
    tokenizer = read_definition(data, name)
    reference = _load_reference(data, name)
    try:
        file = _compile(tokenizer, reference)
        _add_chat(file, chat, reference, [*end_tokens], [*end_ids])
        if pictures:
            _add_pictures(file, chat, reference, pictures, name)
        return file.pack()
    except (UnknownPattern, UnknownVocabulary) as error:
        raise refuse(name, str(error)) from None


def _load_reference(data: bytes, name: str) -> Any:
    """The package's own, which knows what an added token becomes. Its failures are panics, too."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_buffer(data)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ConversionFailed(
            f"{name} is refused by the package tokenizers: {error}",
            remedy="copy or download it again",
        ) from None


def _compile(tokenizer: TokenizerDefinition, reference: Any) -> FlatFile:
    file, stages = FlatFile(), Stages()
    stages.add_normalizer(tokenizer.normalizer)
    stages.add_pre_tokenizer(tokenizer.pre_tokenizer)
    decoder = read_decoder(tokenizer.decoder)
    for token in tokenizer.added_tokens:
        if reference.token_to_id(token.content) != token.id:
            raise UnknownVocabulary(f"the added token {token.content!r} has another id in use")
    shown = {token.id: reference.id_to_token(token.id) for token in tokenizer.added_tokens}
    count = _add_model(file, tokenizer, shown, decoder, stages)
    prefix, suffix = _special_ids(tokenizer.post_processor)
    for section, ids in ((Section.PREFIX, prefix), (Section.SUFFIX, suffix)):
        if ids and max(ids) >= count:
            raise UnknownVocabulary(f"the post_processor adds id {max(ids)} of {count}")
        file.add(section, ids)
    _add_added(file, tokenizer.added_tokens, reference)
    _add_stages(file, stages)
    _add_unicode(file, {row[0] for row in stages.normalizers})
    return file


def _add_chat(
    file: FlatFile,
    chat: ChatSegments | None,
    reference: Any,
    tokens: list[str],
    ids: list[int],
) -> None:
    """The texts between messages, and ids that end an answer, as a template's messages end."""
    if chat:
        texts = [getattr(chat, field) or "" for field in CHAT_TEXTS]
        file.add_texts(Section.CHAT_OFFSETS, Section.CHAT_BYTES, (text.encode() for text in texts))
        flags = (chat.start_system is not None, *chat.strips, chat.drops_reasoning)
        file.add(Section.CHAT, [int(flag) for flag in flags])
        behind = reference.encode(chat.assistant_user, add_special_tokens=False).tokens[:1]
        tokens += [token for token in behind if chat.assistant_user.startswith(token)]
    numbers = [reference.token_to_id(token) for token in tokens]
    stops = {*ids, *(number for number in numbers if number is not None)}
    if any(not 0 <= number < MAX_TOKENS for number in stops):
        raise UnknownVocabulary(f"ids that end a text: {sorted(stops)}")
    file.add(Section.STOPS, sorted(stops))


def _add_pictures(
    file: FlatFile,
    chat: ChatSegments | None,
    reference: Any,
    pictures: PictureConfig,
    name: str,
) -> None:
    """What a prompt has where a picture is: alone, and before the words of a chat's first user."""
    ids = reference.encode(pictures.text, add_special_tokens=False).ids
    if ids.count(pictures.token) != pictures.rows:
        raise ConversionFailed(
            f"{name}: a picture is {pictures.rows} times the token {pictures.token}, and it makes "
            f"that of {PICTURE_TOKEN} {ids.count(pictures.token)} times",
            remedy="take the tokenizer.json of the model itself",
        )
    start, between = chat.shown if chat else ("", None)
    texts = [pictures.text, start, between or ""]
    encoded = (text.encode() for text in texts)
    file.add_texts(Section.PICTURE_OFFSETS, Section.PICTURE_BYTES, encoded)
    file.add(Section.PICTURE, [pictures.token, pictures.rows])


def _add_model(
    file: FlatFile,
    tokenizer: TokenizerDefinition,
    shown: dict[int, str],
    decoder: Decoder,
    stages: Stages,
) -> int:
    model = tokenizer.model
    if model.dropout:
        raise UnknownVocabulary("a dropout of merges, which is for training")
    is_byte_level = stages.is_byte_level
    count = add_tokens(
        file,
        model.vocab,
        tokenizer.added_tokens,
        shown,
        decoder,
        is_byte_level=is_byte_level,
    )
    add_merges(file, model)
    add_symbols(file, model, is_byte_level=is_byte_level)
    file.add(Section.SETTINGS, _settings(model, decoder, stages))
    return count


def _settings(model: Bpe, decoder: Decoder, stages: Stages) -> list[int]:
    """nnrun: ``Settings`` of runner/src/text/tokenizer.cpp, in the same order."""
    unknown = 0
    if model.unk_token is not None:
        if model.unk_token not in model.vocab:
            raise UnknownVocabulary(f"its unknown token {model.unk_token!r} is not a token")
        unknown = model.vocab[model.unk_token] + 1
    affixes = [model.continuing_subword_prefix, model.end_of_word_suffix]
    return [
        int(stages.is_byte_level),
        int(model.ignore_merges),
        int(model.byte_fallback),
        int(model.fuse_unk),
        unknown,
        *(stages.add_string(affix) + 1 if affix else 0 for affix in affixes),
        int(decoder.kind),
        decoder.first_blanks,
        int(decoder.clears_first),
    ]


def _special_ids(part: PostProcessor | None) -> tuple[list[int], list[int]]:
    """Ids before and behind a text."""
    adding = [each for each in _processors(part) if not isinstance(each, ByteLevel)]
    if not adding:
        return [], []
    if len(adding) > 1:
        raise UnknownPattern("two parts of the post_processor that add tokens")
    (only,) = adding
    return (
        _template_ids(only)
        if isinstance(only, TemplateProcessing)
        else ([only.cls[1]], [only.sep[1]])
    )


def _template_ids(template: TemplateProcessing) -> tuple[list[int], list[int]]:
    before: list[int] = []
    behind: list[int] | None = None
    for item in template.single:
        if item.Sequence:
            if behind is not None or item.Sequence.id != "A":
                raise UnknownPattern("a template that names the text otherwise than once")
            behind = []
        elif item.SpecialToken and item.SpecialToken.id in template.special_tokens:
            ids = template.special_tokens[item.SpecialToken.id].ids
            (before if behind is None else behind).extend(ids)
        else:
            raise UnknownPattern("a template with a token that it does not define")
    if behind is None:
        raise UnknownPattern("a template without the text")
    return before, behind


def _processors(part: PostProcessor | None) -> Iterator[Ends]:
    if isinstance(part, Chain):
        for each in part.processors or []:
            yield from _processors(each)
    elif part:
        yield part


def _add_added(file: FlatFile, added: Sequence[AddedToken], reference: Any) -> None:
    """Those that are found in a text as it is, and those found in the normalized one."""
    ordered = sorted(
        (token for token in added if token.content), key=lambda token: not token.special
    )
    raw = [(token.content.encode(), token.id) for token in ordered if not token.normalized]
    normalized = [
        (_normalize(reference, token.content).encode(), token.id)
        for token in ordered
        if token.normalized
    ]
    if not all(content for content, _ in normalized):
        raise UnknownVocabulary("an added token of which nothing is left when it is normalized")
    _add_trie(file, Section.RAW_NODES, make_trie(raw))
    _add_trie(file, Section.NORMALIZED_NODES, make_trie(normalized))


def _normalize(reference: Any, text: str) -> str:
    return str(reference.normalizer.normalize_str(text)) if reference.normalizer else text


def _add_trie(file: FlatFile, first: Section, trie: Trie) -> None:
    file.add(first, trie.nodes)
    file.add(Section(first + 1), trie.edge_bytes)
    file.add(Section(first + 2), trie.edge_targets)


def _add_stages(file: FlatFile, stages: Stages) -> None:
    programs = stages.programs
    sets, ranges = programs.pack_sets()
    file.add_texts(Section.STRING_OFFSETS, Section.STRING_BYTES, stages.strings)
    file.add(Section.INSTRUCTIONS, np.array(programs.instructions, np.uint32))
    file.add(Section.SETS, sets)
    file.add(Section.RANGES, ranges)
    file.add(Section.PATTERNS, programs.starts)
    file.add(Section.NORMALIZERS, np.array(stages.normalizers, np.uint32))
    file.add(Section.PRE_TOKENIZERS, np.array(stages.splits, np.uint32))


def _add_unicode(file: FlatFile, normalizers: set[int]) -> None:
    """Only the tables that it needs."""
    tables = load_tables()
    index, blocks = two_stages(tables.flags)
    file.add(Section.UNICODE_INDEX, index)
    file.add(Section.UNICODE_BLOCKS, blocks)
    if NormalizerKind.NFC in normalizers:
        _add_mapping(file, Section.DECOMPOSITION_KEYS, tables.decompositions)
        file.add(Section.COMPOSITIONS, tables.compositions)
        file.add(Section.CLASSES, tables.classes)
    if NormalizerKind.LOWER in normalizers:
        _add_mapping(file, Section.LOWER_KEYS, tables.lower)


def _add_mapping(file: FlatFile, first: Section, mapping: Mapping) -> None:
    parts = (mapping.keys, mapping.offsets, mapping.values)
    for number, values in enumerate(parts):
        file.add(Section(first + number), values)
