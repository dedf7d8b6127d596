"""What the server is told by its environment, checked at the start."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal, nearest
from components.common.registry.model_ref import FORMS, parse_model

PREFIX = "TABPIPE_SERVE_"


@dataclass(frozen=True)
class Settings:
    """The variables TABPIPE_SERVE_*, one field each."""

    model: str
    challenger: str | None
    fraction: float
    shadow: bool
    name: str
    cache: Path
    poll: float
    host: str
    port: int
    api_key: str | None = field(repr=False)
    max_bytes: int
    max_rows: int
    max_cell: int
    timeout: float
    waiting: int
    extra_columns: str
    id_column: str | None
    log: str | None
    log_seconds: float
    log_rows: int
    drain: float


@dataclass(frozen=True)
class Variable:
    """One variable: how it is read, and what `--help` says of it."""

    read: Callable[[str], Any]
    default: str | None
    about: str
    example: str
    rule: str


def _number(low: float, high: float, whole: bool = False) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = int(text) if whole else float(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return read


def _one_of(**known: Any) -> Callable[[str], Any]:
    return lambda text: known[text.strip().lower()]


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError
    return text


def _model(text: str) -> str:
    parse_model(_filled(text))
    return text


def _key(text: str) -> str:
    if len(text) < 8 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError
    return text


def _positive(about: str, default: str, example: str, high: int = 1_000_000_000) -> Variable:
    return Variable(_number(1, high, whole=True), default, about, example, f"a whole number from 1 to {high}")


def _seconds(about: str, default: str, example: str, low: float = 0.1, high: float = 3600) -> Variable:
    return Variable(_number(low, high), default, about, example, f"seconds, from {low:g} to {high:g}")


_BOOLEAN = _one_of(true=True, false=False, **{"1": True, "0": False})

VARIABLES: dict[str, Variable] = {
    "MODEL": Variable(_model, None, "the model to serve", "models:/music_genres@champion", FORMS),
    "CHALLENGER": Variable(
        _model, "", "a second model; it need not exist yet", "models:/music_genres@challenger", FORMS
    ),
    "FRACTION": Variable(
        _number(0, 1), "0", "the share of request keys that the challenger answers", "0.1", "a number from 0 to 1"
    ),
    "SHADOW": Variable(_BOOLEAN, "false", "ask the challenger too, and only log its answers", "true", "true or false"),
    "NAME": Variable(
        _filled, "", "the model's name in URLs, log and metrics; that of the model if unset", "music", "a name"
    ),
    "CACHE": Variable(
        _filled,
        "",
        "local copies of models; $TABPIPE_HOME/serving or /tmp/tabpipe-serving if unset",
        "/var/cache/tabpipe",
        "a folder",
    ),
    "POLL": _seconds("seconds between two looks at the alias", "2", "5"),
    "HOST": Variable(_filled, "127.0.0.1", "the address it listens on", "0.0.0.0", "a name or an address"),
    "PORT": Variable(
        _number(0, 65535, whole=True), "8000", "the port; 0 takes a free one", "8080", "a whole number from 0 to 65535"
    ),
    "API_KEY": Variable(
        _key, "", "if set, predictions need it", "(a secret)", "at least 8 printable ASCII characters, no space"
    ),
    "MAX_BYTES": _positive("bytes of a request's body, unpacked", "10000000", "1000000"),
    "MAX_ROWS": _positive("rows of a request", "10000", "1000"),
    "MAX_CELL": _positive("characters of one value", "100000", "10000"),
    "TIMEOUT": _seconds("seconds for reading a request, and again for answering it", "10", "5"),
    "WAITING": _positive("requests at once", "256", "64", 100_000),
    "EXTRA_COLUMNS": Variable(
        _one_of(refuse="refuse", ignore="ignore"),
        "refuse",
        "what becomes of columns that the model does not know",
        "ignore",
        "refuse or ignore",
    ),
    "ID_COLUMN": Variable(
        _filled, "", "a column that is the row's id; it goes to the log", "track_id", "a column's name"
    ),
    "LOG": Variable(
        _filled, "", "where requests and answers are logged", "s3://logs/serving", "a folder or s3://BUCKET/PREFIX"
    ),
    "LOG_SECONDS": _seconds("a log file is written after so many seconds", "10", "60"),
    "LOG_ROWS": _positive("or after so many rows", "5000", "20000"),
    "DRAIN": _seconds("seconds after SIGTERM in which it still accepts requests", "5", "15", low=0),
}


def settings_of(environment: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings.

    Args:
        environment: The variables; those of the process if None.

    Raises:
        Refusal: A variable is missing, unknown or has a wrong value; it is named.
    """
    environment = os.environ if environment is None else environment
    for name in environment:
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in VARIABLES:
            known = [PREFIX + known for known in VARIABLES]
            raise Refusal("unknown variable", where=name, rule="a variable of --help", mend=nearest(name, known))
    read = {short.lower(): _read(short, variable, environment) for short, variable in VARIABLES.items()}
    if read["shadow"] and read["fraction"] > 0:
        raise Refusal(
            f"{PREFIX}FRACTION is set too",
            where=f"{PREFIX}SHADOW",
            rule="the challenger answers a share of the requests, or follows all of them unseen, not both",
            mend="unset one of them",
        )
    if (read["shadow"] or read["fraction"] > 0) and not read["challenger"]:
        raise Refusal(
            "there is no challenger",
            where=f"{PREFIX}SHADOW" if read["shadow"] else f"{PREFIX}FRACTION",
            rule=f"{PREFIX}CHALLENGER names the second model",
            mend=f"for instance {PREFIX}CHALLENGER={VARIABLES['CHALLENGER'].example}",
        )
    read["name"] = read["name"] or parse_model(read["model"]).use_case
    home = environment.get("TABPIPE_HOME")
    read["cache"] = Path(read["cache"] or (Path(home) / "serving" if home else "/tmp/tabpipe-serving"))
    return Settings(**{entry.name: read[entry.name] for entry in fields(Settings)})


def _read(short: str, variable: Variable, environment: Mapping[str, str]) -> Any:
    given = environment.get(PREFIX + short) or variable.default
    mend = f"for instance {PREFIX}{short}={variable.example}"
    if given is None:
        raise Refusal("not set", where=PREFIX + short, rule=f"needed: {variable.about}: {variable.rule}", mend=mend)
    if given == "":
        return None
    try:
        return variable.read(given)
    except (ValueError, KeyError, OverflowError, Refusal):
        shown = None if short == "API_KEY" else given  # a secret is not shown
        raise Refusal("not valid", where=PREFIX + short, value=shown, rule=variable.rule, mend=mend) from None


def explained() -> str:
    """The variables, for `--help`."""
    lines = []
    for short, variable in VARIABLES.items():
        default = "required" if variable.default is None else f"default {variable.default}" if variable.default else ""
        lines.append(f"  {PREFIX}{short}={variable.example}")
        lines.append(f"      {variable.about}" + (f" ({default})" if default else ""))
    return "\n".join(lines)
