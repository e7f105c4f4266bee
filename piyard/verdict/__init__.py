"""Whether a row may be believed, and why not."""

from piyard.verdict.judge import believable as believable
from piyard.verdict.judge import judge as judge
from piyard.verdict.judge import reasons as reasons
from piyard.verdict.judge import state_of as state_of
from piyard.verdict.nouns import Code as Code
from piyard.verdict.nouns import Grade as Grade
from piyard.verdict.nouns import Reason as Reason
from piyard.verdict.nouns import State as State
from piyard.verdict.nouns import Verdict as Verdict
