"""``fapws4`` as a second name of ``fapws``: scripts written for fapws4 import fapws4.base and others.

Offered by run_script() when a script is run, and for the rest of that process's life, because scripts
also import while they serve. The modules are the same objects under both names. A process that loads
``module:callable`` has nothing of it.
"""

from __future__ import annotations

import sys

from fapws.lean import TYPE_CHECKING, Any, ModuleType, Sequence

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
else:
    ModuleSpec = type(__spec__)  # every script needs this, and importlib.machinery imports more modules

_ALIAS = "fapws4"
_NAME = "fapws"


class _Alias:
    """Finds fapws4.x by importing fapws.x (importlib.abc.MetaPathFinder and Loader)."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        """A spec for a module whose name begins with fapws4."""
        if name != _ALIAS and not name.startswith(_ALIAS + "."):
            return None
        try:
            own = _NAME + name[len(_ALIAS) :]
            __import__(own)
            module = sys.modules[own]
        except ModuleNotFoundError as error:
            if error.name and (_ALIAS + error.name[len(_NAME) :]) == name:
                return None  # no such module: import reports the name that the script used
            raise
        return ModuleSpec(name, self, origin=name, is_package=hasattr(module, "__path__"))  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself; import then writes the spec of its second name into it."""
        module = sys.modules[_NAME + spec.name[len(_ALIAS) :]]
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Does not run the module again; gives it its own spec back."""
        spec = module.__spec__
        if spec is not None and spec.loader is self:  # type: ignore[comparison-overlap]
            module.__spec__ = spec.loader_state


def offer_fapws4() -> None:
    """From now on fapws4 can be imported in this process, whatever else bears that name."""
    if not any(isinstance(finder, _Alias) for finder in sys.meta_path):
        # First: the ordinary finders would load a second copy of a submodule from fapws's folder.
        sys.meta_path.insert(0, _Alias())
