"""The transformers as a saved model carries them: by value, and the same bytes whatever machine trains it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType

_NAME = "tabpipe_transformers"


def shipped() -> ModuleType:
    """The module `transformers` under a name that nothing can import.

    cloudpickle writes a class whose module cannot be imported by value, so a model of these classes loads where the
    project is not installed. Compared with `cloudpickle.register_pickle_by_value`, this leaves the path of the file
    out of the model, and cloudpickle's random ids of classes are set to the digest of the file: equal training gives
    an equal model, byte by byte, on any machine, and models with different transformers can live in one process.
    """
    from cloudpickle import cloudpickle

    source = Path(__file__).with_name("transformers.py").read_text(encoding="utf-8")
    module = ModuleType(_NAME)
    exec(compile(source, f"{_NAME}.py", "exec", dont_inherit=True), module.__dict__)
    digest = hashlib.sha256(source.encode()).hexdigest()[:24]
    for name, member in vars(module).items():
        if isinstance(member, type) and member.__module__ == _NAME:
            cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS[member] = f"{name}-{digest}"
    return module
