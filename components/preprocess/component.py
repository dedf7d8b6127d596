"""The KFP interface of the step preprocess."""

from kfp import dsl


@dsl.component(base_image="tabpipe/preprocess", install_kfp_package=False)
def preprocess(
    section: dict, table: dsl.Input[dsl.Dataset], clean: dsl.Output[dsl.Dataset], metrics: dsl.Output[dsl.Metrics]
):
    """Cleans a table by the rules that the config declares.

    Args:
        section: The step's section, `PreprocessArgument`.
        table: The raw table, parquet.
        clean: The clean table, parquet, declared and derived columns only.
        metrics: Rows in, rows out, rows removed by each rule.
    """
    from components.common.step import stamp, step
    from components.preprocess.preprocess import preprocess_file

    with step("preprocess", section) as record:
        record.used("table", table)
        counts = preprocess_file(
            section, table.path, clean.path, called=table.metadata.get("source", "the raw table")
        )
        stamp(clean)
        record.made("clean", clean)
        record.metrics(counts)
        for name, count in counts.items():
            metrics.log_metric(name, count)
