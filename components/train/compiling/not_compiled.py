"""What cannot be compiled says so."""


class NotCompiled(Exception):
    """A part of a model that has no compiled form; the text says which and why. scikit-learn answers in its stead."""
