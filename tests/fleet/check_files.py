"""The files of conf/cluster/ that are not run here, by what knows their language."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fleet.instances import SHIPPED


def check_files() -> bool:
    """Prints what was checked, and by whom; whether all is well."""
    manifest = Path(sys.executable).with_name("kubernetes-validate")
    job = "import hcl2, sys; hcl2.load(open(sys.argv[1]))"
    checks = {
        "kubernetes.yaml by the schemas of Kubernetes": [str(manifest), "--strict", "--quiet"],
        "nomad.hcl as HCL, without a schema": [sys.executable, "-c", job],
    }
    fine = True
    for title, words in checks.items():
        done = subprocess.run([*words, str(SHIPPED / title.split()[0])], check=False)
        print(f"{title}: {'well' if done.returncode == 0 else 'wrong'}", flush=True)
        fine &= done.returncode == 0
    return fine
