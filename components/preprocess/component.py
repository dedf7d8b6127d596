"""The KFP interface of the step preprocess."""

from kfp import dsl


@dsl.component(base_image="tabpipe/preprocess", install_kfp_package=False)
def preprocess(
    section: str,
    table: dsl.Input[dsl.Dataset],
    clean: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    defaults: str = "{}",
):
    """Cleans a table by the rules that the config declares.

    Args:
        section: The step's section, `PreprocessArgument`, as JSON, or the part of it that differs from the defaults.
        table: The raw table, parquet.
        clean: The clean table, parquet, declared and derived columns only.
        metrics: Rows in, rows out, rows removed by each rule.
        defaults: The whole section that the pipeline was compiled with.
    """
    from components.common.tracking.step import stamp, step
    from components.preprocess.preprocess import preprocess_file, removed_rows

    with step("preprocess", section, defaults) as (settings, record):
        record.used("table", table)
        counts = preprocess_file(settings, table.path, clean.path, called=table.metadata.get("source", "the raw table"))
        removed = removed_rows(settings, counts)
        stamp(clean, source=table.metadata.get("source", ""), removed=removed, rows_read=int(counts["rows_in"]))
        record.made("clean", clean)
        record.metrics(counts)
        for name, count in counts.items():
            metrics.log_metric(name, count)
