"""The models that are served at this moment."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.common.inference import Predictor

ROLES = ("champion", "challenger")


@dataclass(frozen=True)
class Served:
    """A model that answers. A request keeps to the one that it was given, whatever is swapped meanwhile."""

    predictor: Predictor
    name: str
    version: str
    role: str
    """champion or challenger."""
    digest: str


@dataclass
class Models:
    """Champion and challenger. One thread swaps them, by reference; any may read them."""

    champion: Served | None = None
    challenger: Served | None = None
    troubles: dict[str, str] = field(default_factory=dict)
    """Of each role what is wrong with it or where it comes from; empty where all is well."""
    looked: dict[str, float] = field(default_factory=dict)
    """When each role's source last answered, in seconds since the epoch."""

    @property
    def problem(self) -> str:
        """The present troubles in one text; empty if there are none."""
        return "; ".join(f"{role}: {text}" for role, text in list(self.troubles.items()) if text)

    def of(self, role: str) -> Served | None:
        """The model of a role."""
        return self.champion if role == "champion" else self.challenger

    def swap(self, role: str, served: Served | None) -> None:
        """Lets another model answer, from the next request on."""
        if role == "champion":
            self.champion = served
        else:
            self.challenger = served

    def trouble(self, role: str, text: str) -> bool:
        """Notes what is wrong; says whether that is news."""
        news = self.troubles.get(role, "") != text
        self.troubles = {**self.troubles, role: text}
        return news

    def seen(self, role: str) -> None:
        """Notes that a role's source answered."""
        self.looked[role] = time.time()
