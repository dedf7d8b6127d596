"""A use case: one YAML file, typed, with overrides, and what each step gets to see of it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from components.common.base.errors import Refusal, nearest
from components.common.config.base import Kind, Section, Task, accept, as_argument
from components.common.config.check_data import CheckData
from components.common.config.cluster import Cluster
from components.common.config.download import Download
from components.common.config.estimators import named, refuse_unknown_early
from components.common.config.evaluate import Evaluate, refuse_of_numbers
from components.common.config.patterns import expand, is_pattern, rule_of
from components.common.config.predict import Predict
from components.common.config.preprocess import Preprocess
from components.common.config.promote import Promote, refuse_unknown_scores
from components.common.config.reading import Notation
from components.common.config.segregate import Segregate
from components.common.config.serve import Serve
from components.common.config.train import Train
from components.common.config.tsne import Tsne
from tabpipe.overrides import refuse_no_overrides
from tabpipe.project import ROOT
from tabpipe.steps import steps

_NODES = 1_000_000
"""Most nodes of a YAML, enough for 100,000 columns. Against aliases that grow without end OmegaConf has a ratio."""


class UseCase(Section):
    """A table, what is to be learnt from it, and how."""

    description: str = ""
    """A sentence for people."""
    target: str
    """The column to predict."""
    task: Task = None  # type: ignore[assignment]  # always set once validated
    """classification or regression; by default regression where the target is numerical."""
    columns: dict[str, Kind] = Field(min_length=1)
    """Every column to keep, the target included, and its kind. Other columns of the table are dropped. A name may be a
    pattern: `f*` is every column whose name begins with f, and has no name or earlier pattern of its own here."""
    download: Download
    """Where the table comes from."""
    preprocess: Preprocess = Field(default_factory=Preprocess)
    """Cleaning rules."""
    check_data: CheckData = Field(default_factory=CheckData)
    """What must hold before a model is trained."""
    segregate: Segregate = Field(default_factory=Segregate)
    """How rows are dealt to train, validation and test."""
    train: Train = Field(default_factory=Train)
    """Features, model, hyperparameters."""
    evaluate: Evaluate = Field(default_factory=Evaluate)
    """How the model is scored."""
    promote: Promote = Field(default_factory=Promote)
    """When a model takes the champion's place."""
    tsne: Tsne | None = None
    """A picture of the table in two dimensions; no picture without this section."""
    predict: Predict = Field(default_factory=Predict)
    """Which model answers tables in the pipeline score, and what is written."""
    cluster: Cluster = Field(default_factory=Cluster)
    """What steps may use on a cluster."""
    serve: Serve = Field(default_factory=Serve)
    """How the model answers requests."""

    @property
    def kinds(self) -> dict[str, Kind]:
        """The columns of the clean table, or patterns of their names: declared, then derived."""
        return {**self.columns, **{name: rule.kind for name, rule in self.preprocess.derive.items()}}

    @model_validator(mode="after")
    def _consistent(self) -> UseCase:
        kind = rule_of(self.columns, self.target)
        if kind is None:
            raise Refusal(
                f"the target {self.target!r} is not among the columns", mend=nearest(self.target, self.columns)
            )
        if self.task is None:
            self.task = "regression" if kind == "numerical" else "classification"
        if self.task == "regression" and kind != "numerical":
            raise Refusal(f"the target {self.target!r} is {kind}", rule="regression needs a numerical")
        self._refuse_undeclared()
        for name in self.preprocess.derive:
            if name in self.columns:
                raise Refusal(
                    f"preprocess.derive makes the column {name!r}, which is declared under columns too",
                    mend="rename one of the two; a derived column is not part of the raw table",
                )
        self._known_hyperparameters()
        refuse_unknown_scores(self.promote, self.task)
        refuse_of_numbers(self.evaluate, self.task)
        return self

    def _refuse_undeclared(self) -> None:
        """Refuses names that no column has, as far as a config tells it: what a pattern stands for the table tells."""
        kinds = self.kinds
        open_ended = any(map(is_pattern, kinds))
        for fields, patterns in ((self._rules(), True), (self._single_columns(), False)):
            for field, names in fields:
                if patterns and not open_ended:
                    expand(dict.fromkeys(names), kinds, field)
                for name in names:
                    if not (patterns and is_pattern(name)) and rule_of(kinds, name) is None:
                        raise Refusal(
                            f"{field} names the column {name!r}, which is not declared under columns",
                            mend=nearest(name, kinds),
                        )

    def _rules(self) -> list[tuple[str, list[str]]]:
        """Every place in the config that names columns, or patterns of names."""
        return [
            ("preprocess.fill", list(self.preprocess.fill)),
            ("preprocess.bounds", list(self.preprocess.bounds)),
            ("download.columns", list(self.download.columns)),
            ("check_data.columns", list(self.check_data.columns)),
            ("check_data.drift.numerical", self.check_data.drift.numerical or []),
            ("check_data.drift.categorical", self.check_data.drift.categorical),
            ("train.features.use", self.train.features.use or []),
            ("train.features.columns", list(self.train.features.columns)),
            ("tsne.columns", (self.tsne and self.tsne.columns) or []),
        ]

    def _single_columns(self) -> list[tuple[str, list[str]]]:
        """Every place in the config that names single columns."""
        split = self.segregate
        return [
            *((f"preprocess.derive.{name}", rule.sources) for name, rule in self.preprocess.derive.items()),
            ("segregate", [name for name in (split.by_time, split.group, split.stratify) if isinstance(name, str)]),
            ("evaluate.slices", self.evaluate.slices),
        ]

    def _known_hyperparameters(self) -> None:
        """Refuses a misspelt hyperparameter of a named model before anything runs.

        One that is null is taken out, so that an override can change the model of a YAML that has others.
        """
        found = named(self.train.model, self.task)
        known = found.hyperparameters if found else {}
        extra = self.train.model_extra or {}
        for name, value in self.train.hyperparameters.items():
            if value is None and name not in known:
                del extra[name]
        refuse_unknown_early(self.train.model, self.task, self.train.hyperparameters)

    def arguments(self, name: str) -> dict[str, str]:
        """Step to the section that it is handed, as JSON: its own, with the little it needs to know of the table.

        Args:
            name: What the use case is called, and its model after it.
        """
        reading = self.download.model_dump(exclude={"source", "format"})  # a format is of one file
        known = {
            "use_case": name,
            "target": self.target,
            "task": self.task,
            "columns": self.columns,
            "kinds": self.kinds,
            "derive": {column: rule.model_dump() for column, rule in self.preprocess.derive.items()},
            "derived": list(self.preprocess.derive),
            "fill": {column: value for column, value in self.preprocess.fill.items() if column != self.target},
            "notation": self.download.model_dump(include=set(Notation.model_fields)),
            "reading": reading,
            "group": self.segregate.group,
            "reference_reading": reading if self.check_data.drift.reference else {},
            "slices": self.evaluate.slices,
            "min_slice_rows": self.evaluate.min_slice_rows,
        }
        arguments = {}
        for step in steps().values():
            own = getattr(self, step.name) if step.section and "train" in step.pipelines else None
            if own is not None:
                argument = getattr(import_module(f"components.common.config.{step.name}"), step.section)
                more = argument.model_fields.keys() - type(own).model_fields
                given = {field: known[step.given.get(field, field)] for field in more}
                arguments[step.name] = as_argument(argument.model_validate({**own.model_dump(), **given}))
        return arguments


_TAKEN = (
    "artifacts",
    "kfp",
    "mlartifacts",
    "mlflow.db",
    "mlflow.lock",
    "pictures",
    "releases",
    "requests",
    "serving",
    "spool",
    "spool-unwritten",
    "store",
)
"""Names in the folder of outputs that no use case can have."""


def find_config(name: str) -> Path:
    """The YAML file of a use case, by its name under config/ or by its path."""
    path = Path(name)
    if path.stem in _TAKEN or path.stem.startswith("."):
        taken = f"these names are taken: {', '.join(_TAKEN)}"
        raise Refusal(f"a use case cannot be called {path.stem!r}", where=name, rule=taken, mend="rename the file")
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise Refusal("the config does not exist", where=name)
        ours = ROOT / "config" / f"{path.stem}.yaml"
        if ours.is_file() and not ours.samefile(path):
            raise Refusal(
                f"there is a use case {path.stem!r} already",
                where=name,
                rule="outputs go by a config's name",
                mend="rename the file",
            )
        return path
    path = ROOT / "config" / f"{name}.yaml"
    if not path.is_file():
        known = [file.stem for file in (ROOT / "config").glob("*.yaml")]
        raise Refusal(f"there is no use case {name!r}", where="config/", mend=nearest(name, known))
    return path


def load(name: str, overrides: list[str] | None = None) -> UseCase:
    """Reads a use case.

    Args:
        name: Its name under config/, or the path of a YAML file.
        overrides: `dotted.name=value`, in OmegaConf's dot-list grammar; values are YAML.

    Raises:
        Refusal: What is wrong with the file or an override.
    """
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    path = find_config(name)
    refuse_no_overrides(overrides or [])
    try:
        config = OmegaConf.load(path, max_yaml_expanded_nodes=_NODES)
        if not OmegaConf.is_dict(config):
            raise Refusal("not a mapping of keys to values", where=str(path), mend="see config/iris.yaml for the form")
        merged = OmegaConf.merge(config, OmegaConf.from_dotlist(overrides or []))
        values: Any = OmegaConf.to_container(merged, resolve=True)
    except (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        star = "while scanning an alias" in str(error)
        mend = 'quote a name that begins with a star: "*": numerical' if star else ""
        raise Refusal(f"not readable: {str(error).strip()}", where=str(path), mend=mend) from None
    where = f"{path}, with overrides" if overrides else str(path)
    hyperparameters = values.get("train")
    values = _without_nulls(values)
    if isinstance(hyperparameters, dict):  # of these, null can be a value; `UseCase` knows which
        values["train"] = {**values.get("train", {}), **{k: v for k, v in hyperparameters.items() if v is None}}
    return accept(UseCase, values, where)


def _without_nulls(value: Any) -> Any:
    """Leaves out what is null, so that an override can take out what the YAML gives."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value
