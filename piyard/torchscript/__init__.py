"""A TorchScript file: loaded by torch's own interpreter, cut, and what its exporter noted in it."""

from piyard.torchscript.cut import cut as cut
from piyard.torchscript.notes import notes as notes
from piyard.torchscript.read import (
    Program as Program,
)
from piyard.torchscript.read import (
    first_lines as first_lines,
)
from piyard.torchscript.read import (
    frozen as frozen,
)
from piyard.torchscript.read import (
    load as load,
)
from piyard.torchscript.read import (
    running as running,
)
from piyard.torchscript.read import (
    silent as silent,
)
from piyard.torchscript.values import (
    CONVOLUTIONS as CONVOLUTIONS,
)
from piyard.torchscript.values import (
    outputs as outputs,
)
from piyard.torchscript.values import (
    values as values,
)
