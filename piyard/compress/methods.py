"""The methods there are, by name: what another one needs is an entry here."""

from __future__ import annotations

from piyard.compress.distilling import Distil
from piyard.compress.lowrank import LowRankMethod
from piyard.compress.method import Method
from piyard.compress.prune import Prune
from piyard.compress.ptq.method import PTQ
from piyard.compress.qat.method import QAT
from piyard.compress.search_method import SEARCH
from piyard.core.errors import unknown_name

METHODS: dict[str, Method] = {
    method.name: method for method in (PTQ, QAT, Prune(), LowRankMethod(), Distil(), SEARCH)
}


def find_method(name: str) -> Method:
    """The method of that name. Raises ``WrongInput``."""
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    return METHODS[name]
