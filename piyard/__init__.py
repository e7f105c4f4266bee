"""piyard: put neural networks on Raspberry Pi boards with ncnn, and know how fast and how right they run."""

__version__ = "0.1.0"
