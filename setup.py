"""What pyproject.toml cannot say: how the C core is compiled.

Environment, all optional:
  LIBUV_CFLAGS, LIBUV_LIBS  where libuv is, when pkg-config does not know (LIBUV_LIBS=-luv)
  PKG_CONFIG                another pkg-config (cross builds, pkgconf)
  FAPWS_PURE=1              no accelerator: a wheel that serves every CPython from 3.9 on
  FAPWS_WERROR=1            warnings are errors; set by this project's own build, not by `pip install`
"""

from __future__ import annotations

import glob
import os
import shlex
import subprocess
import sys
import sysconfig
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CPYTHON = sys.implementation.name == "cpython"
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
PURE = not CPYTHON or FREE_THREADED or os.environ.get("FAPWS_PURE", "0") not in ("", "0")
LIBUV = "libuv >= 1.40"

# _GNU_SOURCE: -std=c11 hides accept4() and its kin on glibc and musl; the BSDs and macOS ignore it.
# -Wno-unused-parameter: only cffi's generated wrappers need it; the C tests compile csrc/ without it.
COMPILE = [
    "-std=c11",
    "-D_GNU_SOURCE",
    "-O2",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
]


def pkg_config(*arguments: str) -> list[str]:
    """The flags pkg-config prints; exits with a sentence that says what to install."""
    program = os.environ.get("PKG_CONFIG", "pkg-config")
    try:
        done = subprocess.run([program, *arguments, LIBUV], capture_output=True, text=True)
    except OSError as error:
        problem = f"{program} cannot be run ({error.strerror})"
    else:
        if done.returncode == 0:
            return shlex.split(done.stdout)
        problem = done.stderr.strip().splitlines()[0] if done.stderr.strip() else "it is not known"
    raise SystemExit(
        f"fapws: {LIBUV} with its headers is needed and was not found: {problem}.\n"
        "Install pkg-config and libuv (Debian: apt-get install pkg-config libuv1-dev; OpenBSD:\n"
        "pkg_add libuv; FreeBSD: pkg install pkgconf libuv; Alpine: apk add pkgconf libuv-dev;\n"
        "Fedora: dnf install pkgconf libuv-devel; macOS: brew install pkg-config libuv),\n"
        "or say where it is: LIBUV_CFLAGS=-I/some/include LIBUV_LIBS='-L/some/lib -luv'."
    )


def libuv_flags(variable: str, option: str) -> list[str]:
    """From the environment if it says so, else from pkg-config."""
    given = os.environ.get(variable)
    return shlex.split(given) if given is not None else pkg_config(option)


class BuildExt(build_ext):
    """Adds the flags at the last moment: an sdist or the metadata need neither compiler nor libuv."""

    def build_extension(self, ext: Any) -> None:
        ext.extra_compile_args = list(COMPILE)
        if ext.name == "fapws._core":
            ext.extra_compile_args += libuv_flags("LIBUV_CFLAGS", "--cflags")
            ext.extra_link_args = libuv_flags("LIBUV_LIBS", "--libs")
        if os.environ.get("FAPWS_WERROR") == "1":
            ext.extra_compile_args.append("-Werror")
        super().build_extension(ext)


# Speaks to CPython's own structures, which the stable ABI does not show; see csrc/python/accelerator.h.
ACCELERATOR = Extension(
    "fapws._accelerator",
    sources=sorted(glob.glob("csrc/python/*.c")),
    include_dirs=["csrc"],
    depends=["csrc/fapws.h", *glob.glob("csrc/python/*.h")],
    optional=True,  # nothing but speed is lost without it
)

setup(
    # Here, because pyproject.toml's way to say it differs before and after setuptools 77.
    license="BSD-2-Clause",
    cffi_modules=["tools/core_build.py:ffibuilder"],
    ext_modules=[] if PURE else [ACCELERATOR],
    cmdclass={"build_ext": BuildExt},
    # Without the accelerator one wheel serves every CPython from 3.9 on. PyPy and free-threaded builds
    # have no stable ABI.
    options={"bdist_wheel": {"py_limited_api": "cp39"}} if PURE and CPYTHON and not FREE_THREADED else {},
)
