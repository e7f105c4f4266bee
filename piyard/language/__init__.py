"""Text models as data: transformers' configurations, tokenizers, chat templates."""
