"""Which tests run side by side in pytest-xdist's workers: files do, and some never do.

A file stays in one worker, so its module's fixtures are made once. Files that share something
there is only one of form a scope, which stays in one worker too.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

WITHOUT_BOARDS = {"test_build.py", "test_labgrid.py", "test_report_page.py", "test_ssh_config.py"}
"""Of tests/integration: they use neither emulated boards nor simulated ones."""

SCOPES = {
    "emulated boards": ("tests/integration/",),
    "SqueezeNet's own weights": (
        "tests/conversion/test_convert.py",
        "tests/conversion/test_evaluate.py",
        "tests/conversion/prove/test_proof_inputs.py",
    ),
    "NanoTrack's nets": (
        "tests/conversion/test_nanotrack.py",
        "tests/conversion/test_routes.py",
    ),
}
"""The longest first: what begins last ends last."""

LONG = (*SCOPES, "tests/conversion/", "tests/runner/test_fuzz", "tests/test_lint", "tests/runner/")
"""Beginnings of scopes that take longer than the others."""


def scope_of(nodeid: str) -> str:
    """The scope of a test: its file, or what it shares with other files."""
    file = nodeid.partition("::")[0]
    if file.rpartition("/")[2] in WITHOUT_BOARDS:
        return file
    return next((name for name, starts in SCOPES.items() if file.startswith(starts)), file)


def rank_of(nodeid: str) -> int:
    """The sooner a scope begins, the lower."""
    scope = scope_of(nodeid)
    ranks = (rank for rank, start in enumerate(LONG) if scope.startswith(start))
    return next(ranks, len(LONG))


class ScopeScheduling(LoadScopeScheduling):  # type: ignore[misc]  # it ships no types
    """Gives whole scopes to workers, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
