"""What nnrun computes on a board, in numpy: preprocessing, heads and trackers, value by value.

``schema`` holds the YAML's structs; nothing here knows a Model.
"""
