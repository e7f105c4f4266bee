"""piyard: neural networks on Raspberry Pi boards with ncnn, and how fast and right they run."""

__version__ = "0.1.0"
