"""The model registry: which version of a use case's model is its champion, who made it so, what MLflow shows of it.

The artifact store is the referee: it moves an alias only from where it is expected to be, and keeps every move.
MLflow's registry, which has no such condition and no history, is what others read; it follows.
"""

from components.common.registry.champion import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    Standing,
    challenge,
    given_up,
    mark,
    model_name,
    promote,
    retire,
    rollback,
    standing,
)

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "PREVIOUS",
    "Standing",
    "challenge",
    "given_up",
    "mark",
    "model_name",
    "promote",
    "retire",
    "rollback",
    "standing",
]
