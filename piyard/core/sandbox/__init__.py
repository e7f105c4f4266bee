"""Programs that come in a user's files run without the user's rights."""
