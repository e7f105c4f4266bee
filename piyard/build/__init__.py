"""Cross-compiles ncnn and nnrun for a target, in containers that piyard makes itself."""
