"""What pyproject.toml cannot say: how the C core is compiled.

Environment, all optional:
  LIBUV_CFLAGS, LIBUV_LIBS  where libuv is, when pkg-config does not know (LIBUV_LIBS=-luv)
  PKG_CONFIG                another pkg-config (cross builds, pkgconf)
  FAPWS_PURE=1              no accelerator: a wheel that serves every CPython from 3.9 on
  FAPWS_WERROR=1            warnings are errors; set by this project's own build, not by `pip install`
  SOURCE_DATE_EPOCH         the time in a source distribution, in seconds since 1970, instead of now
  CFLAGS with -g in it      symbols are kept; without, nothing is left in the files that only a debugger reads
"""

from __future__ import annotations

import contextlib
import glob
import gzip
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

CPYTHON = sys.implementation.name == "cpython"
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
PURE = not CPYTHON or FREE_THREADED or os.environ.get("FAPWS_PURE", "0") not in ("", "0")
LIBUV = "libuv >= 1.40"
WHEEL = (
    "Or take a wheel, which needs none of this: `make wheels` on another machine makes some for Linux and\n"
    "macOS. pip install --only-binary fapws fapws takes nothing else; for wheels in a folder add\n"
    "--no-index --find-links FOLDER."
)

# _FILE_OFFSET_BITS: off_t of 32-bit glibc has 32 bits without it; elsewhere nothing reads it.
# _GNU_SOURCE: -std=c11 hides accept4() and its kin on glibc and musl; the BSDs and macOS ignore it.
# -Wno-unused-parameter: only cffi's generated wrappers need it; the C tests compile csrc/ without it.
COMPILE = [
    "-std=c11",
    "-D_GNU_SOURCE",
    "-D_FILE_OFFSET_BITS=64",
    "-O2",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
]
# Apple's linker leaves the symbols of a debugger out by itself, and warns of -s.
STRIP = [] if sys.platform == "darwin" or "-g" in os.environ.get("CFLAGS", "").split() else ["-s"]


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
        "or say where it is: LIBUV_CFLAGS=-I/some/include LIBUV_LIBS='-L/some/lib -luv'.\n"
        f"{WHEEL}"
    )


def libuv_flags(variable: str, option: str) -> list[str]:
    """From the environment if it says so, else from pkg-config."""
    given = os.environ.get(variable)
    return shlex.split(given) if given is not None else pkg_config(option)


def check_compiler(compiler: list[str]) -> None:
    """Exits with a sentence that says what to install when a program with Python.h does not compile."""
    named = not compiler[0].startswith("-")  # of an empty CC the flags are left
    problem = complaint(compiler, "#include <stdio.h>") if named else "it is empty"
    if problem:
        raise SystemExit(
            f"fapws: a C compiler is needed, and {compiler[0] if named else 'CC'} does not work: {problem}.\n"
            "Install one (Debian: apt-get install gcc libc6-dev; Alpine: apk add gcc musl-dev; Fedora:\n"
            "dnf install gcc; macOS: xcode-select --install), or name another: CC=clang.\n"
            f"{WHEEL}"
        )
    include = sysconfig.get_paths()["include"]
    problem = complaint([*compiler, f"-I{include}"], "#include <Python.h>")
    if problem:
        raise SystemExit(
            f"fapws: the C headers of {sys.executable} are needed, and do not work: {problem}.\n"
            f"They are looked for in {include} (Debian: apt-get install python3-dev or pypy3-dev;\n"
            "Alpine: apk add python3-dev; Fedora: dnf install python3-devel).\n"
            f"{WHEEL}"
        )


def complaint(compiler: list[str], line: str) -> str:
    """What a compiler says first of a file with this line; empty when it compiles it."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "probe.c")
        with open(source, "w", encoding="ascii") as file:
            file.write(f"{line}\nint fw_probe;\n")
        command = [*compiler, "-c", source, "-o", os.path.join(folder, "probe.o")]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            return error.strerror or "it cannot be run"
    said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return next((text for text in said if "error" in text), said[0]) if done.returncode else ""


class Build(build):
    """Begins with an empty folder, named by what it is for: what an earlier build left is never packed.

    setuptools packs all that it finds in its folder: the accelerator of a build with it, modules that are
    no more, what a build that was broken off had staged.
    """

    def finalize_options(self) -> None:
        ours = self.build_lib is None
        super().finalize_options()
        if PURE and ours:
            self.build_lib += "-pure"
        self.leftovers = (
            [self.build_lib, *glob.glob(os.path.join(self.build_base, "bdist.*"))] if ours else []
        )

    def run(self) -> None:
        for folder in self.leftovers:
            shutil.rmtree(folder, ignore_errors=True)
        super().run()


class BuildExt(build_ext):
    """Adds the flags at the last moment: an sdist or the metadata need neither compiler nor libuv."""

    def build_extensions(self) -> None:
        check_compiler(self.compiler.compiler_so)
        super().build_extensions()

    def build_extension(self, ext: Any) -> None:
        ext.extra_compile_args = list(COMPILE)
        ext.extra_link_args = list(STRIP)
        if ext.name == "fapws._core":
            ext.extra_compile_args += libuv_flags("LIBUV_CFLAGS", "--cflags")
            ext.extra_link_args += libuv_flags("LIBUV_LIBS", "--libs")
        if os.environ.get("FAPWS_WERROR") == "1":
            ext.extra_compile_args.append("-Werror")
        if ext.optional:
            self.forget(ext)
        super().build_extension(ext)

    def forget(self, ext: Any) -> None:
        """When it cannot be compiled, what was made of older sources must not stand in for it."""
        for folder in (self.build_lib, "."):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, self.get_ext_filename(ext.name)))


class Sdist(sdist):
    """Of one tree always the same bytes: sorted, without owners, one time for all, and modes of two kinds."""

    def make_archive(self, base_name: Any, format: str, root_dir: Any = None, base_dir: Any = None,
                     owner: Any = None, group: Any = None) -> str:  # fmt: skip
        if format != "gztar":
            return str(super().make_archive(base_name, format, root_dir, base_dir, owner, group))
        seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())

        def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = seconds
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        path = f"{base_name}.tar.gz"
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(open(path, "wb"))
            packed = stack.enter_context(gzip.GzipFile("", "wb", mtime=seconds, fileobj=file))
            archive = stack.enter_context(tarfile.open(path, "w", fileobj=packed, format=tarfile.PAX_FORMAT))
            archive.add(base_dir or ".", filter=plain)  # in the order of names
        return path


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
    # libuv's own licence is packed when it is linked in, see tools/wheels.sh.
    license="BSD-2-Clause AND ISC AND MIT" if os.path.exists("LICENSE.libuv") else "BSD-2-Clause",
    cffi_modules=["tools/core_build.py:ffibuilder"],
    ext_modules=[] if PURE else [ACCELERATOR],
    cmdclass={"build": Build, "build_ext": BuildExt, "sdist": Sdist},
    # Without the accelerator one wheel serves every CPython from 3.9 on. PyPy and free-threaded builds
    # have no stable ABI.
    options={"bdist_wheel": {"py_limited_api": "cp39"}} if PURE and CPYTHON and not FREE_THREADED else {},
)
