"""The pipelines, in the kfp DSL, and nothing else.

A pipeline's parameters are the steps' sections of the config, as JSON: a run, a schedule or the Kubeflow UI can
override one, or a part of one, without a new compile; a changed section reruns its step and those after it, no other.
"""

from kfp import dsl

from components.check_data.component import check_data as check_data_step
from components.download.component import download as download_step
from components.evaluate.component import evaluate as evaluate_step
from components.predict.component import predict as predict_step
from components.preprocess.component import preprocess as preprocess_step
from components.promote.component import promote as promote_step
from components.resolve.component import resolve as resolve_step
from components.resolve.component import resolve_score as resolve_score_step
from components.segregate.component import segregate as segregate_step
from components.train.component import train as train_step
from components.tsne.component import tsne as tsne_step


def _accepted_table(
    download: str, preprocess: str, check_data: str, checksum: str, reference: str, valid_for: str
) -> dsl.PipelineTask:
    """From the source to the table that passed its checks; the head of every pipeline that needs data."""
    raw = download_step(section=download, checksum=checksum)
    clean = preprocess_step(section=preprocess, table=raw.outputs["table"])
    return check_data_step(section=check_data, reference=reference, valid_for=valid_for, clean=clean.outputs["clean"])


def _model(segregate: str, train: str, evaluate: str, promote: str, champion: str, checked: dsl.PipelineTask) -> None:
    """From the accepted table to a model scored on rows that it never saw, and promoted if it is the better one."""
    splits = segregate_step(section=segregate, accepted=checked.outputs["accepted"])
    model = train_step(
        section=train, train_table=splits.outputs["train"], validation_table=splits.outputs["validation"]
    )
    judged = {"model": model.outputs["model"], "test_table": splits.outputs["test"]}
    evaluated = evaluate_step(section=evaluate, **judged)
    promote_step(section=promote, champion=champion, **judged).after(evaluated)


def training(resolving: bool, with_tsne: bool):
    """The training pipeline: download, preprocess, check_data, segregate, train, evaluate, promote.

    Args:
        resolving: Whether a first step finds what the source holds and who is champion now, as a pipeline on a cluster
            must. Otherwise whoever runs the pipeline says so by `checksum`, `valid_for` and `champion`.
        with_tsne: Whether the step tsne draws the accepted table.
    """

    @dsl.pipeline(name="training", description="From a table to a checked, trained, evaluated and promoted model.")
    def pipeline(
        download: str,
        preprocess: str,
        check_data: str,
        segregate: str,
        train: str,
        evaluate: str,
        promote: str,
        tsne: str = "",
        checksum: str = "",
        reference: str = "",
        valid_for: str = "",
        champion: str = "",
    ):
        """From a table to a checked, trained, evaluated and promoted model.

        Args:
            download: Section of the step download; likewise the next seven.
            preprocess: Its section.
            check_data: Its section.
            segregate: Its section.
            train: Its section.
            evaluate: Its section.
            promote: Its section.
            tsne: Its section, where the step is part of the pipeline.
            checksum: What identifies the source's present bytes; a cached download is for one checksum only.
            reference: Path or URL of the table that the new one is compared with; empty where there is none.
            valid_for: What else the data checks hang on: the day, the checksum of a declared reference.
            champion: Which model is the champion; a cached promotion is for one only.
        """
        if resolving:
            outside = resolve_step(download=download, check_data=check_data, promote=promote)
            outside.set_caching_options(False)
            checksum, valid_for = outside.outputs["checksum"], outside.outputs["valid_for"]
            champion = outside.outputs["champion"]
        checked = _accepted_table(download, preprocess, check_data, checksum, reference, valid_for)
        if with_tsne:
            tsne_step(section=tsne, table=checked.outputs["accepted"])
        _model(segregate, train, evaluate, promote, champion, checked)

    return pipeline


def scoring(resolving: bool):
    """The pipeline score: a table, its rows answered by a model, a table of answers.

    Args:
        resolving: Whether a first step finds what the source holds and which model is meant now, as a pipeline on a
            cluster must. Otherwise whoever runs the pipeline says so by `checksum` and `model`.
    """

    @dsl.pipeline(name="score", description="From a table to a table of predictions.")
    def pipeline(download: str, predict: str, checksum: str = "", model: str = ""):
        """From a table to a table of predictions.

        Args:
            download: Section of the step download.
            predict: Section of the step predict.
            checksum: What identifies the source's present bytes; a cached download is for one checksum only.
            model: Which version answers, and the digest of its bytes; cached predictions are those of one model only.
        """
        if resolving:
            outside = resolve_score_step(download=download, predict=predict)
            outside.set_caching_options(False)
            checksum, model = outside.outputs["checksum"], outside.outputs["model"]
        raw = download_step(section=download, checksum=checksum)
        predict_step(section=predict, model=model, table=raw.outputs["table"])

    return pipeline
