"""The KFP interface of the step promote."""

from typing import NamedTuple

from kfp import dsl


@dsl.component(base_image="tabpipe/promote", install_kfp_package=False)
def promote(
    section: str,
    champion: str,
    model: dsl.Input[dsl.Model],
    test_table: dsl.Input[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
    defaults: str = "{}",
) -> NamedTuple("Promotion", [("decision", str), ("reason", str)]):  # type: ignore[valid-type]
    """Compares the candidate with the present champion on the same untouched rows; the better one becomes or stays it.

    Args:
        section: The step's section, `PromoteArgument`, as JSON, or the part of it that differs from the defaults.
        champion: How things stood when the run began, for the sake of caches; the step itself looks again.
        model: The candidate, a folder.
        test_table: The test split, parquet.
        metrics: Scores of both on the rows that both were scored on, their difference and its interval.
        report: An HTML page for people.
        defaults: The whole section that the pipeline was compiled with.

    Returns:
        decision: promote, wait (a person decides) or keep.
        reason: In a sentence.
    """
    import os

    from components.common.tracking.step import facts_of, progress, step
    from components.promote.promote import promote_file

    with step("promote", section, defaults) as (settings, record):
        record.used("model", model)
        record.used("test_table", test_table)
        result = promote_file(
            settings,
            model.path,
            model.metadata,
            test_table.path,
            report.path,
            made_by={
                "run": os.environ.get("TABPIPE_RUN") or os.environ.get("TABPIPE_KFP_RUN_ID", ""),
                "commit": os.environ.get("TABPIPE_COMMIT", ""),
            },
            facts=facts_of(test_table),
            on_cluster="TABPIPE_RUN" not in os.environ,
            progress=progress,
        )
        record.made("report", report)
        record.file(report.path, "reports", "promote.html")
        record.metrics(result.metrics)
        record.tags.update({"decision": result.decision, "reason": result.reason})
        record.registers(result.use_case, model, {}, settles=True)
        for name, value in result.metrics.items():
            metrics.log_metric(name, value)
        return result.decision, result.reason
