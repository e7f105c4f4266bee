"""The Original: a network as its authors publish it, which the converted one must agree with."""

from piyard.originals.choose import (
    Files as Files,
)
from piyard.originals.choose import (
    choose as choose,
)
from piyard.originals.choose import (
    nets as nets,
)
from piyard.originals.choose import (
    of as of,
)
from piyard.originals.choose import (
    path_of as path_of,
)
from piyard.originals.choose import (
    require_route as require_route,
)
from piyard.originals.choose import (
    routes as routes,
)
from piyard.originals.original import Original as Original
