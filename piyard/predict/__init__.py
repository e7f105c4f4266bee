"""Pictures, films and cameras → what a model sees in them, on boards.

``files`` fetches what is shown and names what is drawn, ``command`` is how nnrun is called,
``prediction`` what it answered, as rows too.
"""
