"""The boards you own: who they are, which of them are meant, and how the list is changed."""
