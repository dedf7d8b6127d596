"""The KFP interface of the step segregate."""

from kfp import dsl


@dsl.component(base_image="tabpipe/segregate", install_kfp_package=False)
def segregate(
    section: str,
    accepted: dsl.Input[dsl.Dataset],
    train: dsl.Output[dsl.Dataset],
    validation: dsl.Output[dsl.Dataset],
    test: dsl.Output[dsl.Dataset],
    defaults: str = "{}",
):
    """Deals the rows of the accepted table to train, validation and test.

    Args:
        section: The step's section, `SegregateArgument`, as JSON, or the part of it that differs from the defaults.
        accepted: The table that passed the checks, parquet.
        train: What models are fitted to, parquet.
        validation: What candidates are compared on, parquet.
        test: What the chosen model is judged by, parquet; nothing before evaluate reads it.
        defaults: The whole section that the pipeline was compiled with.
    """
    from components.common.config.base import accept
    from components.common.config.segregate import SegregateArgument
    from components.common.tracking.step import came_from, stamp, step
    from components.segregate.segregate import segregate_file

    with step("segregate", section, defaults) as (settings, record):
        record.used("accepted", accepted)
        counts = segregate_file(settings, accepted.path, train.path, validation.path, test.path)
        rule = accept(SegregateArgument, settings, "section segregate").rule.model_dump_json(exclude_none=True)
        for name, split in (("train", train), ("validation", validation), ("test", test)):
            stamp(split, split=rule, **came_from(accepted))
            record.made(name, split)
        record.metrics(counts)
