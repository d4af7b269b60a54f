"""Builds the recurrent kernels while Samoyed is installed; everything else stands in pyproject.toml.

They are optional: where there is no C compiler, installation succeeds without them.
"""

import runpy

from setuptools import Extension, setup

build = runpy.run_path("samoyed/layers/recurrence/build.py")
folder = "samoyed/layers/recurrence"

setup(
    ext_modules=[
        Extension(
            "samoyed.layers.recurrence._kernels",
            [f"{folder}/{build['SOURCES'][0]}"],
            depends=[f"{folder}/{name}" for name in build["SOURCES"]],
            define_macros=[("SAMOYED_SOURCE", f'"{build["digest"]()}"')],
            extra_compile_args=list(build["OPTIONS"]),
            optional=True,
        )
    ]
)
