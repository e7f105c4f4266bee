"""A picture as the network wants it: the YAML's geometry, then ncnn's normalisation.

nnrun computes the same on the board, to the last bit, from the flags of ``nnrun_flags``.
"""
