"""The transformers as a saved model carries them: by value, and the same bytes whatever machine trains it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from types import ModuleType

from components.common.inference import values

_NAME = "tabpipe_transformers"
_IMPORT = re.compile(r"^from components\.(common\.inference\.values|train\.transformers) import .*\n", re.MULTILINE)


def shipped() -> ModuleType:
    """The modules `inference.values`, `transformers` and `blended` as one, under a name that nothing can import.

    cloudpickle writes a class whose module cannot be imported by value, so a model of these classes loads where the
    project is not installed. Compared with `cloudpickle.register_pickle_by_value`, this leaves the path of the file
    out of the model, and cloudpickle's random ids of classes are set to the digest of the file: equal training gives
    an equal model, byte by byte, on any machine, and models with different transformers can live in one process.
    """
    from cloudpickle import cloudpickle

    conversion = Path(values.__file__).read_text(encoding="utf-8")
    own = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("transformers.py", "blended.py")]
    texts = [conversion, *(_IMPORT.sub("", text) for text in own)]
    module = ModuleType(_NAME)
    for text in texts:
        exec(compile(text, f"{_NAME}.py", "exec", dont_inherit=True), module.__dict__)
    source = "".join(texts)
    digest = hashlib.sha256(source.encode()).hexdigest()[:24]
    for name, member in vars(module).items():
        if isinstance(member, type) and member.__module__ == _NAME:
            cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS[member] = f"{name}-{digest}"
    return module
