"""Language models on the emulated board beside llama.cpp, in instructions a token."""
