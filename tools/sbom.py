"""The bill of materials of a release, in CycloneDX: what is in its files, and under which licences.

usage: python tools/sbom.py OUTPUT [DIST]

Fapws itself, libuv as it is linked into the wheels, cffi as it is asked for at run time, and each file of
DIST with its digest. Validated against CycloneDX's own schema before it is written. The same commit and files
give the same bytes: the time is the commit's (or SOURCE_DATE_EPOCH), the serial number is made of the files.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

TREE = Path(__file__).resolve().parent.parent
LIBUV = TREE / "build" / "libuv" / "source"
LICENCES = {
    "fapws": "BSD-2-Clause",
    "libuv": "MIT AND BSD-2-Clause AND ISC",  # its LICENSE and LICENSE-extra
    "cffi": metadata.metadata("cffi").get("License-Expression", "MIT"),
}
"""By SPDX's names."""


def version_of_fapws() -> str:
    text = (TREE / "fapws" / "__init__.py").read_text(encoding="utf-8")
    (found,) = re.findall(r'^__version__ = "(.+)"$', text, re.M)
    return str(found)


def version_of_libuv() -> str:
    """Of the source that the wheels are linked with."""
    text = (LIBUV / "include" / "uv" / "version.h").read_text(encoding="ascii")
    return ".".join(re.findall(r"^#define UV_VERSION_(?:MAJOR|MINOR|PATCH) +(\d+)$", text, re.M))


def library(name: str, version: str, kind: str, **more: object) -> Component:
    """A part, with its licence and a name that tools find it by."""
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"{name}-{version}",
        licenses=[LicenseFactory().make_from_string(LICENCES[name])],
        purl=PackageURL(kind, None, name, version),
        **more,  # type: ignore[arg-type]
    )


def digest_of(path: Path) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(path.read_bytes()).hexdigest())


def file(path: Path) -> Component:
    """A file of the release, by its digest."""
    return Component(type=ComponentType.FILE, name=path.name, bom_ref=path.name, hashes=[digest_of(path)])


def time_of_commit() -> datetime:
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if seconds is None:
        seconds = subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=TREE, text=True)
    return datetime.fromtimestamp(int(seconds), timezone.utc)


def bill(files: list[Path]) -> Bom:
    """The whole of it."""
    version = version_of_fapws()
    ours = Component(
        type=ComponentType.APPLICATION,
        name="fapws",
        version=version,
        bom_ref="fapws",
        description="A small, fast, pre-forking WSGI server on libuv",
        licenses=[LicenseFactory().make_from_string(LICENCES["fapws"])],
        purl=PackageURL("pypi", None, "fapws", version),
    )
    libuv = library("libuv", version_of_libuv(), "generic", scope=ComponentScope.REQUIRED,
                    description="linked statically into the wheels; the system's own elsewhere")  # fmt: skip
    cffi = library("cffi", metadata.version("cffi"), "pypi", scope=ComponentScope.REQUIRED,
                   description="built with this version; 1.15 or later is asked for at run time")  # fmt: skip
    parts = [libuv, cffi, *map(file, files)]
    bom = Bom(components=parts)
    bom.metadata.component = ours
    bom.metadata.timestamp = time_of_commit()
    told = "\n".join([version, *(f"{path.name} {digest_of(path).content}" for path in files)])
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, told)
    bom.register_dependency(ours, [libuv, cffi])
    return bom


def main() -> int:
    output = Path(sys.argv[1])
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    names = (".whl", ".tar.gz")
    files = sorted(path for path in folder.iterdir() if path.name.endswith(names)) if folder else []
    text = JsonV1Dot6(bill(files)).output_as_string(indent=2)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault:
        print(f"sbom.py: the schema does not take it: {fault}", file=sys.stderr)
        return 1
    output.write_text(text + "\n", encoding="utf-8")
    print(f"sbom.py: {output}: {len(files)} files, valid CycloneDX 1.6")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
