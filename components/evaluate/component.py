"""The KFP interface of the step evaluate."""

from kfp import dsl


@dsl.component(base_image="tabpipe/evaluate", install_kfp_package=False)
def evaluate(
    section: str,
    model: dsl.Input[dsl.Model],
    test_table: dsl.Input[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    curves: dsl.Output[dsl.ClassificationMetrics],
    report: dsl.Output[dsl.HTML],
    defaults: str = "{}",
):
    """Scores the saved model, the file that would be served, on the untouched test rows.

    Args:
        section: The step's section, `EvaluateArgument`, as JSON, or the part of it that differs from the defaults.
        model: The saved model, a folder.
        test_table: The test split, parquet.
        metrics: Scores on the test split.
        curves: A classifier's confusion matrix and, of two classes, its ROC curve.
        report: An HTML page for people.
        defaults: The whole section that the pipeline was compiled with.
    """
    from components.common.tracking.step import facts_of, step
    from components.evaluate.evaluate import evaluate_file

    with step("evaluate", section, defaults) as (settings, record):
        record.used("model", model)
        record.used("test_table", test_table)
        result = evaluate_file(settings, model.path, test_table.path, report.path, facts_of(test_table))
        record.metrics(result["metrics"], "test_")
        record.made("report", report)
        record.file(report.path, "reports", "evaluate.html")
        for name, value in result["metrics"].items():
            metrics.log_metric(name, value)
        if views := result["views"]:
            curves.log_confusion_matrix(views["categories"], views["matrix"])
            if "roc" in views:
                curves.log_roc_curve(*views["roc"])
