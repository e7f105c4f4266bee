"""piyard: neural networks on Raspberry Pi boards with ncnn, and how fast and right they run."""

from __future__ import annotations

__version__ = "0.1.0"
