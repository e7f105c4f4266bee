"""Pictures → what a model finds in them, on boards: push, run nnrun's verb there, bring it back.

``inputs`` says what is shown, ``arguments`` how nnrun is asked, ``seen`` what it told, ``table``
how that is shown to people.
"""
