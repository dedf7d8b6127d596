"""Compiling a fitted model, so that it answers without scikit-learn; used only where the answers stay the same."""

from components.train.compiling.compiled import Compiled, compile_model

__all__ = ["Compiled", "compile_model"]
