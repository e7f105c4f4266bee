"""Language models: their blocks, their weights as kernels read them, their proof."""
