"""The types of config sections: what a user may write, and what each step is handed.

A class `Train` is the section as it stands in the YAML; `TrainArgument` is what the step receives: the section
and the little it needs to know of the table (target, kinds of columns), nothing of other steps, so that a cache
keyed by it is exact.
"""

from components.common.config.base import Kind, Section, Task, accept, as_argument
from components.common.config.check_data import CheckData, CheckDataArgument, ColumnCheck
from components.common.config.download import Download, DownloadArgument
from components.common.config.evaluate import Evaluate, EvaluateArgument
from components.common.config.predict import Predict, PredictArgument
from components.common.config.preprocess import Derive, Preprocess, PreprocessArgument
from components.common.config.promote import Promote, PromoteArgument
from components.common.config.reading import ColumnReading, Notation, Reading
from components.common.config.segregate import Segregate, SegregateArgument
from components.common.config.train import Features, Train, TrainArgument
from components.common.config.tsne import Tsne, TsneArgument

__all__ = [
    "CheckData",
    "CheckDataArgument",
    "ColumnCheck",
    "ColumnReading",
    "Derive",
    "Download",
    "DownloadArgument",
    "Evaluate",
    "EvaluateArgument",
    "Features",
    "Kind",
    "Notation",
    "Predict",
    "PredictArgument",
    "Preprocess",
    "PreprocessArgument",
    "Promote",
    "PromoteArgument",
    "Reading",
    "Section",
    "Segregate",
    "SegregateArgument",
    "Task",
    "Train",
    "TrainArgument",
    "Tsne",
    "TsneArgument",
    "accept",
    "as_argument",
]
