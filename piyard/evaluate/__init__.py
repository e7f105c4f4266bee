"""How right a model is on data whose truth is known: its original, ncnn here, and nnrun on boards.

``dataset`` takes data (``piyard.data``) for a model and compares answers with its truth,
``evaluation`` answers for its pictures and keeps the result.
"""
