"""Asking a saved model, fast: values checked, features made and trees walked without pandas or scikit-learn.

`load_predictor` opens a model's folder. Where the step train could compile the model, and found its answers equal to
scikit-learn's on the validation rows, the compiled form in the folder `compiled/` answers; else scikit-learn does.
"""

from components.common.inference.coerce import ABSENT, Fault
from components.common.inference.predictor import Answered, Predictor, load_predictor

__all__ = ["ABSENT", "Answered", "Fault", "Predictor", "load_predictor"]
