"""Builds the kernels of recurrent layers, of word vectors and of CTC while Samoyed is installed; everything else stands in pyproject.toml.

They are optional: where there is no C compiler, installation succeeds without them.
"""

import os
import runpy
from pathlib import Path

from setuptools import Extension, setup

build = runpy.run_path("samoyed/layers/recurrence/build.py")
shared = ("../recurrence/sets.h", "../recurrence/lanes.h")
kernels = {
    "recurrence": build["SOURCES"],
    "words": ("kernels.c", "words.h", *shared),
    "ctc": ("kernels.c", "ctc.h", *shared),
}


def extension(name: str, sources: tuple[str, ...]) -> Extension:
    """The kernels of samoyed/layers/NAME, compiled as they would be on first use."""
    folder = f"samoyed/layers/{name}"
    return Extension(
        f"samoyed.layers.{name}._kernels",
        [f"{folder}/{sources[0]}"],
        depends=[f"{folder}/{source}" for source in sources],
        define_macros=[("SAMOYED_SOURCE", f'"{build["digest"](Path(folder), sources)}"')],
        extra_compile_args=list(build["OPTIONS"]),
        libraries=["m"] if os.name == "posix" else [],
        optional=True,
    )


setup(ext_modules=[extension(name, sources) for name, sources in kernels.items()])
