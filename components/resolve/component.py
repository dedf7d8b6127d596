"""The KFP interfaces of the step resolve: one per pipeline."""

from typing import NamedTuple

from kfp import dsl


@dsl.component(base_image="tabpipe/resolve", install_kfp_package=False)
def resolve(
    download: str,
    check_data: str,
    promote: str,
    download_defaults: str = "{}",
    check_data_defaults: str = "{}",
    promote_defaults: str = "{}",
) -> NamedTuple("Outside", [("checksum", str), ("valid_for", str), ("champion", str)]):  # type: ignore[valid-type]
    """Finds what a run hangs on beside its arguments. It is never cached, so that all other steps can be.

    Args:
        download: Section of the step download, as JSON, or the part of it that differs from the defaults.
        check_data: Section of the step check_data, likewise.
        promote: Section of the step promote, likewise.
        download_defaults: The whole section that the pipeline was compiled with.
        check_data_defaults: Likewise.
        promote_defaults: Likewise.

    Returns:
        checksum: SHA-256 of the source's present bytes, or `sample:NAME` of a sample.
        valid_for: The day, where freshness is checked, and the checksum of a declared reference.
        champion: Which model is the champion now, and since how many moves.
    """
    from components.common.config.overlay import settings_of
    from components.common.sources import in_words
    from components.common.tracking.step import progress, step
    from components.resolve.resolve import resolve_inputs

    with step("resolve", download, download_defaults) as (settings, record):
        found = resolve_inputs(
            settings,
            settings_of(check_data, check_data_defaults),
            settings_of(promote, promote_defaults),
            progress=in_words(progress),
        )
        record.tags["checksum"], record.tags["valid_for"], record.tags["champion"] = found
        return found


@dsl.component(base_image="tabpipe/resolve", install_kfp_package=False)
def resolve_score(
    download: str, predict: str, download_defaults: str = "{}", predict_defaults: str = "{}"
) -> NamedTuple("Outside", [("checksum", str), ("model", str)]):  # type: ignore[valid-type]
    """Finds what a run of the pipeline score hangs on beside its arguments. It is never cached.

    Args:
        download: Section of the step download, as JSON, or the part of it that differs from the defaults.
        predict: Section of the step predict, likewise.
        download_defaults: The whole section that the pipeline was compiled with.
        predict_defaults: Likewise.

    Returns:
        checksum: SHA-256 of the source's present bytes, or `sample:NAME` of a sample.
        model: Which version of the model is meant now, and the digest of its bytes.
    """
    from components.common.config.overlay import settings_of
    from components.common.sources import in_words
    from components.common.tracking.step import progress, step
    from components.resolve.resolve import resolve_score_inputs

    with step("resolve_score", download, download_defaults) as (settings, record):
        found = resolve_score_inputs(settings, settings_of(predict, predict_defaults), progress=in_words(progress))
        record.tags["checksum"], record.tags["model"] = found
        return found
