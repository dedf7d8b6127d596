"""The KFP interface of the step check_data."""

from kfp import dsl


@dsl.component(base_image="tabpipe/check_data", install_kfp_package=False)
def check_data(
    section: str,
    reference: str,
    valid_for: str,
    clean: dsl.Input[dsl.Dataset],
    accepted: dsl.Output[dsl.Dataset],
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    defaults: str = "{}",
):
    """Checks a clean table and hands it on unchanged, or refuses it.

    Args:
        section: The step's section, `CheckDataArgument`, as JSON, or the part of it that differs from the defaults.
        reference: The previous accepted table, parquet, to compare with; empty where there is none.
        valid_for: What else the outcome hangs on, for the sake of caches: the day, where freshness is checked, and the
            digest of a declared reference.
        clean: The clean table, parquet.
        accepted: The same table, once accepted.
        report: Every check and every column, as a page.
        metrics: Checks made, passed, failed, warned of and skipped, and rows.
        defaults: The whole section that the pipeline was compiled with.
    """
    from components.check_data.check_data import check_file
    from components.common.tracking.step import came_from, facts_of, stamp, step

    with step("check_data", section, defaults) as (settings, record):
        record.used("clean", clean)

        def tell(counts):
            record.made("report", report)
            record.file(report.path, "reports", "check_data.html")
            record.metrics(counts)
            for name, count in counts.items():
                metrics.log_metric(name, count)

        meta = clean.metadata
        check_file(
            settings,
            clean.path,
            reference,
            accepted.path,
            report.path,
            tell,
            called=meta.get("source", ""),
            removed=meta.get("removed", ""),
            facts=facts_of(clean),
        )
        stamp(accepted, **came_from(clean))
        record.made("accepted", accepted)
