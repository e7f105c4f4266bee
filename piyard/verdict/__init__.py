"""Whether a row may be believed, and why not."""

from piyard.verdict.judge import believable, judge, reasons, state_of
from piyard.verdict.nouns import Code, Grade, Reason, State, Verdict

__all__ = [
    "Code",
    "Grade",
    "Reason",
    "State",
    "Verdict",
    "believable",
    "judge",
    "reasons",
    "state_of",
]
