"""Quantisation after training: ncnn's int8 files, made from a converted network and pictures."""
