"""torchaudio beside a CPU-only torch: `from engine.torchaudio_shim import torchaudio`.

torchaudio's Linux wheel (2.11, the last release; it names no torch version and works with 2.13) carries a compiled extension
linked to CUDA. Beside a CPU build of torch that extension fails to load and takes the import down with it. Nothing here needs
it (only forced alignment does), so where loading fails an empty stand-in takes its place and the import is tried again.
"""

import importlib
import sys
from types import ModuleType


def _import() -> ModuleType:
    try:
        return importlib.import_module("torchaudio")
    except OSError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        stand_in = ModuleType("torchaudio._extension")
        stand_in.__dict__.update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False)
        stand_in.fail_if_no_align = lambda function: function  # type: ignore[attr-defined]
        sys.modules["torchaudio._extension"] = stand_in
        return importlib.import_module("torchaudio")


torchaudio = _import()
extension_loaded: bool = bool(sys.modules["torchaudio._extension"].__dict__.get("_IS_TORCHAUDIO_EXT_AVAILABLE"))
