"""The types of config sections: what a user may write, and what each step is handed.

A class `Train` is the section as it stands in the YAML; `TrainArgument` is what the step receives: the section
and the little it needs to know of the table (target, kinds of columns), nothing of other steps, so that a cache
keyed by it is exact.
"""

from components.common.sections.check_data import CheckData, CheckDataArgument, ColumnCheck
from components.common.sections.download import Download
from components.common.sections.evaluate import Evaluate, EvaluateArgument
from components.common.sections.predict import Predict, PredictArgument
from components.common.sections.preprocess import Derive, Preprocess, PreprocessArgument
from components.common.sections.promote import Promote, PromoteArgument
from components.common.sections.section import Kind, Section, Task, accept, as_argument
from components.common.sections.segregate import Segregate, SegregateArgument
from components.common.sections.train import Features, Train, TrainArgument
from components.common.sections.tsne import Tsne, TsneArgument

__all__ = [
    "CheckData",
    "CheckDataArgument",
    "ColumnCheck",
    "Derive",
    "Download",
    "Evaluate",
    "EvaluateArgument",
    "Features",
    "Kind",
    "Predict",
    "PredictArgument",
    "Preprocess",
    "PreprocessArgument",
    "Promote",
    "PromoteArgument",
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
