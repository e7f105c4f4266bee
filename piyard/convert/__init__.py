"""From a model's files to ncnn's, with the proof on this machine that they compute the same."""
