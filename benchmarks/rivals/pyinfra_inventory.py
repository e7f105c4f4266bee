"""The boards for pyinfra, from the JSON file that RIVALS_HOSTS names."""

from __future__ import annotations

import json
import os
from pathlib import Path

boards = [
    (name, host) for name, host in json.loads(Path(os.environ["RIVALS_HOSTS"]).read_text()).items()
]
