"""The KFP interface of the step train."""

from kfp import dsl


@dsl.component(base_image="tabpipe/train", install_kfp_package=False)
def train(
    section: str,
    train_table: dsl.Input[dsl.Dataset],
    validation_table: dsl.Input[dsl.Dataset],
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    curves: dsl.Output[dsl.ClassificationMetrics],
    report: dsl.Output[dsl.HTML],
    defaults: str = "{}",
):
    """Fits a model, scores it on the validation split and saves it in MLflow's format.

    Args:
        section: The step's section, `TrainArgument`, as JSON, or the part of it that differs from the defaults.
        train_table: The training split, parquet.
        validation_table: The validation split, parquet.
        model: The saved model, a folder.
        metrics: Scores on the validation split.
        curves: A classifier's confusion matrix and, of two classes, its ROC curve.
        report: An HTML page for people.
        defaults: The whole section that the pipeline was compiled with.
    """
    import os

    from components.common.tracking.step import facts_of, step
    from components.train.train import train_file

    with step("train", section, defaults) as (settings, record):
        record.used("train_table", train_table)
        record.used("validation_table", validation_table)
        record.tags["training_table.digest"] = str(train_table.metadata.get("digest", ""))
        result = train_file(
            settings, train_table.path, validation_table.path, model.path, report.path, facts_of(train_table)
        )
        data = {"train": train_table.metadata.get("digest"), "validation": validation_table.metadata.get("digest")}
        made_of = {key: train_table.metadata[key] for key in ("origin", "split") if train_table.metadata.get(key)}
        model.metadata.update(
            result["metadata"],
            digest=result["digest"],
            **{f"{split}_digest": digest for split, digest in data.items() if digest},
            **made_of,
        )
        record.made("model", model)
        record.metrics(result["metrics"], "validation_")
        if use_case := os.environ.get("TABPIPE_USE_CASE"):
            scores = {f"validation_{name}": value for name, value in result["metrics"].items()}
            record.registers(
                use_case,
                model,
                {
                    **result["metadata"],
                    **scores,
                    **{f"data.{split}": digest for split, digest in data.items()},
                    **{f"data.{key}": text for key, text in made_of.items()},
                },
            )
        record.made("report", report)
        record.file(report.path, "reports", "train.html")
        record.file(model.path, "", "model")
        for name, value in result["metrics"].items():
            metrics.log_metric(name, value)
        if views := result["views"]:
            curves.log_confusion_matrix(views["categories"], views["matrix"])
            if "roc" in views:
                curves.log_roc_curve(*views["roc"])
