"""What a wheel holds beside pyproject.toml: the folders that a checkout has next to piyard/."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

BESIDE = ("targets", "models", "toolchains", "docker", "runner")
NOT_OURS = shutil.ignore_patterns("__pycache__", "fleet.yaml", "artifacts")


class BuildWithCheckout(build_py):
    """Puts them into piyard/checkout/, where piyard/core/paths.py looks for them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        at = Path(self.build_lib) / "piyard" / "checkout"
        shutil.rmtree(at, ignore_errors=True)
        for name in BESIDE:
            shutil.copytree(name, at / name, ignore=NOT_OURS)
        shutil.copy("tasks.py", at)


setup(cmdclass={"build_py": BuildWithCheckout})
