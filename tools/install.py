"""Puts Fapws below a prefix: `make install`.

usage: python tools/install.py [--prefix DIR] [--destdir DIR] [--mandir DIR]

What goes where:
  PREFIX/bin/                      fapws, fapws4, fapwsctl: small scripts
  PREFIX/lib/fapws/                the package, compiled core included, for these scripts alone
  PREFIX/share/man/                manual pages (PREFIX/man on OpenBSD)
  PREFIX/share/bash-completion/    completion of fapwsctl for bash
  PREFIX/share/examples/fapws/     conf/ as shipped; the paths in rc.d and systemd files say PREFIX

The package is not put among the site-packages of a Python: those belong to the system's package
manager (PEP 668), differ from system to system, and one below $HOME is not seen by a service. The
scripts name the interpreter and the folder instead. The core uses the stable ABI, so it outlives an
upgrade of that interpreter. The one thing it needs beside the standard library, _cffi_backend, is
taken from the interpreter if that has it, otherwise the build's copy goes along.

PREFIX/lib/fapws/installed lists what was made, folders too, for tools/uninstall.sh.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
PROGRAMS = {"fapws": "fapws.cli.fapws", "fapws4": "fapws.cli.fapws", "fapwsctl": "fapws.cli.fapwsctl"}
NO_EXAMPLE = {"__pycache__", "run", "pages", "orders.txt", ".gitignore"}
"""Names below conf/ that are not shipped: what its programs write when they are run there."""
NOT_INSTALLED = shutil.ignore_patterns("__pycache__", "*.so")
SCRIPT = """\
#!{interpreter}
import sys
sys.path[0] = {library!r}
from {module} import main
sys.exit(main())
"""


class Prefix:
    """A place to install to; remembers what was made there."""

    def __init__(self, prefix: Path, destdir: str) -> None:
        self.prefix = prefix
        self.root = Path(destdir + str(prefix)) if destdir else prefix
        self.library = self.root / "lib" / "fapws"
        self.record = self.library / "installed"
        self.made: list[str] = []

    def folder(self, path: Path) -> None:
        """Makes a folder and its parents; those that are new are remembered."""
        if path.is_dir():
            return
        self.folder(path.parent)
        path.mkdir()
        path.chmod(0o755)
        self.made.append(f"{path}/")

    def file(self, path: Path, content: bytes, mode: int = 0o644) -> None:
        """Writes a file by way of a new one: a program that runs from the old keeps it."""
        self.folder(path.parent)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_bytes(content)
        fresh.chmod(mode)
        fresh.replace(path)
        self.made.append(str(path))

    def write_record(self, earlier: list[str]) -> None:
        """Lists what is here now; takes away what an earlier installation brought and this did not.

        Paths are relative to the prefix, so that what was staged in DESTDIR may move.
        """
        now = [os.path.relpath(path, self.root) + "/" * path.endswith("/") for path in self.made]
        for line in earlier:
            if line.endswith("/"):
                now.append(line)
            elif line not in now:
                (self.root / line).unlink(missing_ok=True)
        self.file(self.record, "".join(f"{line}\n" for line in dict.fromkeys(now)).encode())

    def read_record(self) -> list[str]:
        """What an earlier installation wrote; empty when there was none."""
        try:
            return self.record.read_text(encoding="utf-8").splitlines()
        except OSError:
            return []


def interpreter_to_name() -> str:
    """The base interpreter, as python3 if that is the same: so an upgrade of the system is followed."""
    found = base_interpreter()
    plain = os.path.join(os.path.dirname(found), "python3")
    return plain if os.path.realpath(plain) == os.path.realpath(found) else found


def base_interpreter() -> str:
    """The Python that .venv was made with: it stays when the clone goes."""
    if sys.prefix == sys.base_prefix:
        return sys.executable
    name = getattr(sys, "_base_executable", sys.executable)
    if name != sys.executable:
        return str(name)
    settings = Path(sys.prefix, "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    home = next(line.partition("=")[2].strip() for line in settings if line.startswith("home"))
    return os.path.join(home, os.path.basename(os.path.realpath(sys.executable)))


def backend_files(interpreter: str) -> list[Path]:
    """What of cffi must go along: nothing if the interpreter has it by itself."""
    asked = subprocess.run([interpreter, "-I", "-c", "import _cffi_backend"], stderr=subprocess.DEVNULL)
    if asked.returncode == 0:
        return []
    spec = importlib.util.find_spec("_cffi_backend")
    if spec is None or spec.origin is None:
        raise SystemExit("fapws: no _cffi_backend to install: run `make build` first")
    return [Path(spec.origin)]


def compiled_files() -> list[Path]:
    """The C core, and the accelerator where it was built."""
    sys.path.insert(0, str(TREE))
    spec = importlib.util.find_spec("fapws._core")
    if spec is None or spec.origin is None:
        raise SystemExit("fapws: the C core is not compiled: run `make build` first")
    accelerator = importlib.util.find_spec("fapws._accelerator")
    return [Path(found.origin) for found in (spec, accelerator) if found is not None and found.origin]


def shebang(interpreter: str) -> str:
    """Kernels cut the line at a space, and some at 128 bytes; then the shell is asked to help."""
    if " " in interpreter or len(interpreter) > 120:
        return f"/bin/sh\n'''exec' {shlex.quote(interpreter)} \"$0\" \"$@\"\n' '''"
    return interpreter


def install(to: Prefix, man: Path) -> None:
    interpreter = interpreter_to_name()
    compiled = compiled_files()
    earlier = to.read_record()
    shutil.rmtree(to.library, ignore_errors=True)
    to.folder(to.library)
    shutil.copytree(TREE / "fapws", to.library / "fapws", ignore=NOT_INSTALLED)
    for path in compiled:
        shutil.copy2(path, to.library / "fapws")
    for path in backend_files(interpreter):
        shutil.copy2(path, to.library)
    for path in to.library.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    precompile(to, interpreter)

    library = str(to.prefix / "lib" / "fapws")
    for name, module in PROGRAMS.items():
        text = SCRIPT.format(interpreter=shebang(interpreter), library=library, module=module)
        to.file(to.root / "bin" / name, text.encode(), 0o755)
    for page in sorted((TREE / "docs").glob("*.[1-9]")):
        to.file(man / f"man{page.suffix[1:]}" / page.name, page.read_bytes())
    for example in sorted((TREE / "conf").rglob("*")):
        if example.is_file() and not NO_EXAMPLE.intersection(example.parts):
            copy_example(to, example)
    completion = to.root / "share" / "bash-completion" / "completions" / "fapwsctl"
    to.file(completion, (TREE / "conf" / "completion" / "fapwsctl.bash").read_bytes())
    to.write_record(earlier)


def precompile(to: Prefix, interpreter: str) -> None:
    """Bytecode for the interpreter that will run it, knowing its final place."""
    place = str(to.prefix / "lib" / "fapws")
    arguments = [interpreter, "-m", "compileall", "-q", "-s", str(to.library), "-p", place]
    subprocess.run([*arguments, str(to.library)], check=True)
    for path in to.library.rglob("__pycache__"):
        path.chmod(0o755)
        for code in path.iterdir():
            code.chmod(0o644)


def copy_example(to: Prefix, example: Path) -> None:
    """rc.d scripts and units name the programs by path: the one they were installed to."""
    content = example.read_bytes()
    inside = example.relative_to(TREE / "conf")
    if inside.parts[0] in ("rc.d", "systemd", "newsyslog", "logrotate"):
        content = content.replace(b"/usr/local/bin/", f"{to.prefix}/bin/".encode())
    mode = 0o755 if os.access(example, os.X_OK) else 0o644
    to.file(to.root / "share" / "examples" / "fapws" / inside, content, mode)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="install Fapws")
    parser.add_argument("--prefix", default="/usr/local")
    parser.add_argument("--destdir", default="")
    parser.add_argument("--mandir", default="")
    chosen = parser.parse_args(arguments)
    to = Prefix(Path(os.path.abspath(os.path.expanduser(chosen.prefix))), chosen.destdir)
    below = "man" if platform.system() == "OpenBSD" else "share/man"
    man = Path(chosen.destdir + chosen.mandir) if chosen.mandir else to.root / below
    install(to, man)
    print(f"fapws: installed below {to.root}; the programs are in {to.root / 'bin'}")


if __name__ == "__main__":
    main()
