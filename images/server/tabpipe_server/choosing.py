"""Which of the models answers a request, and what it expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabpipe_server.columns import Expected
from tabpipe_server.errors import Unanswered
from tabpipe_server.routing import choose

if TYPE_CHECKING:
    from tabpipe_server.models import Models, Served
    from tabpipe_server.settings import Settings

Head = list[tuple[bytes, bytes]]


class Chosen:
    """A model with what is made of it once: the columns that it expects, and the headers of its answers."""

    __slots__ = ("expected", "head", "served", "tail")

    def __init__(self, served: Served, other: Served | None, settings: Settings):
        import orjson

        also = () if other is None else (*other.predictor.columns, *other.predictor.derived)
        self.served, self.expected = served, Expected(served.predictor, settings, also)
        self.head: Head = [
            (b"content-type", b"application/json"),
            (b"x-model-name", _header(served.name)),
            (b"x-model-version", _header(served.version)),
            (b"x-model-role", served.role.encode()),
        ]
        named = {"model_name": served.name, "model_version": served.version}
        self.tail = b"," + orjson.dumps(named)[1:-1].replace(b"%", b"%%") + b',"request_id":"%b"}'


class Choosing:
    """Chooses among the models that are in place at the moment."""

    def __init__(self, models: Models, settings: Settings):
        self._models, self._settings = models, settings
        self._fraction = settings.fraction
        self._champion: Chosen | None = None
        self._challenger: Chosen | None = None

    def present(self) -> tuple[Chosen | None, Chosen | None]:
        """Champion and challenger; made anew where a model was swapped."""
        champion, challenger = self._models.champion, self._models.challenger
        if _of(self._champion) is not champion or _of(self._challenger) is not challenger:
            self._champion = Chosen(champion, challenger, self._settings) if champion else None
            self._challenger = Chosen(challenger, champion, self._settings) if challenger else None
        return self._champion, self._challenger

    def for_key(self, key: str) -> Chosen:
        """The model that answers requests of this key.

        Raises:
            Unanswered: There is none yet: 503.
        """
        champion, challenger = self.present()
        if self._fraction > 0 and challenger is not None and choose(key, self._fraction) == "challenger":
            return challenger
        if champion is None:
            raise self.not_ready()
        return champion

    def for_version(self, version: str) -> Chosen:
        """The model of a version.

        Raises:
            Unanswered: None of this version is in place: 404.
        """
        present = [chosen for chosen in self.present() if chosen is not None]
        if not present:
            raise self.not_ready()
        for chosen in present:
            if chosen.served.version == version:
                return chosen
        versions = ", ".join(chosen.served.version for chosen in present)
        raise Unanswered(
            404, "NO_SUCH_VERSION", "no model of this version is in place", value=version, rule=f"in place: {versions}"
        )

    def not_ready(self) -> Unanswered:
        """There is no model: 503."""
        return Unanswered(
            503,
            "NOT_READY",
            "no model is in place yet" + (f": {self._models.problem}" if self._models.problem else ""),
            mend="try again soon; GET /readyz says when it is there",
            headers=((b"retry-after", b"2"),),
        )


def _of(chosen: Chosen | None) -> Served | None:
    return None if chosen is None else chosen.served


def _header(text: str) -> bytes:
    return "".join(sign if " " <= sign <= "~" else "?" for sign in text).encode()
