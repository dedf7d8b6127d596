"""The KFP interface of the step tsne."""

from kfp import dsl


@dsl.component(base_image="tabpipe/tsne", install_kfp_package=False)
def tsne(section: str, table: dsl.Input[dsl.Dataset], picture: dsl.Output[dsl.HTML], defaults: str = "{}"):
    """Draws a table in two dimensions, alike rows near each other.

    Args:
        section: The step's section, `TsneArgument`, as JSON, or the part of it that differs from the defaults.
        table: The clean table, parquet.
        picture: An HTML page with the picture.
        defaults: The whole section that the pipeline was compiled with.
    """
    from components.common.tracking.step import facts_of, step
    from components.tsne.tsne import tsne_file

    with step("tsne", section, defaults) as (settings, record):
        record.used("table", table)
        record.metrics(tsne_file(settings, table.path, picture.path, facts_of(table)))
        record.made("picture", picture)
        record.file(picture.path, "reports", "tsne.html")
