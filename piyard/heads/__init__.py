"""What a network's outputs mean, decoded in numpy: the desktop's reference of what nnrun does.

``piyard.model.head`` says how the outputs are laid out.
"""
