"""The KFP interface of the step predict."""

from kfp import dsl


@dsl.component(base_image="tabpipe/predict", install_kfp_package=False)
def predict(
    section: str,
    model: str,
    table: dsl.Input[dsl.Dataset],
    predictions: dsl.Output[dsl.Dataset],
    rejects: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
    defaults: str = "{}",
):
    """Lets a model of the artifact store answer each row of a table.

    Args:
        section: The step's section, `PredictArgument`, as JSON, or the part of it that differs from the defaults.
        model: Which version, and the digest of its bytes, as `mark_of` gives them.
        table: The table, parquet.
        predictions: The answers in the order of the rows, parquet.
        rejects: The rows that the model does not take, with why, parquet; without rows where there are none.
        metrics: Rows, and how many of them were answered, refused, and held values that training did not know.
        report: An HTML page for people.
        defaults: The whole section that the pipeline was compiled with.
    """
    from types import SimpleNamespace

    from components.common.tracking.step import progress, stamp, step
    from components.predict.predict import predict_file

    with step("predict", section, defaults) as (settings, record):
        ref, _, digest = model.partition(" ")
        record.used("table", table)
        record.used("model", SimpleNamespace(uri=f"artifact://{ref}", metadata={"digest": digest}))
        counts = predict_file(settings, model, table.path, predictions.path, rejects.path, report.path, progress)
        for name, artifact in (("predictions", predictions), ("rejects", rejects)):
            stamp(artifact, model=ref, model_digest=digest)
            record.made(name, artifact)
        record.made("report", report)
        record.file(report.path, "reports", "predict.html")
        record.metrics(counts)
        record.tags["model"] = ref
        for name, count in counts.items():
            metrics.log_metric(name, count)
