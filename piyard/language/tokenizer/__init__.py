"""Tokenizers: a ``tokenizer.json`` becomes one flat file that nnrun maps into memory."""
