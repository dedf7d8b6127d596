"""Artifacts: tables, reports and models as named versions, by content, in a folder or in S3, with the same layout.

    objects/sha256/AB/DIGEST              bytes; a folder is a manifest of its files
    names/NAME/versions/00000003.json     what v3 is: digest, metadata, inputs, who made it
    names/NAME/made/00000003-….json       a further making of the same bytes, from other inputs
    names/NAME/removed/00000003.json      that v3 was given up
    names/NAME/aliases/ALIAS/…            the moves of an alias, the newest first
    store.json                            the format

No key is ever changed; that a version was given up can be taken back. All that is decided is decided by who creates a
key first.
"""

from components.common.artifacts.aliases import Move
from components.common.artifacts.manifest import digest_of
from components.common.artifacts.opening import default_url, open_store
from components.common.artifacts.store import Store
from components.common.artifacts.version import Input, Making, Version
from components.common.base.artifact_ref import Ref, parse_ref

__all__ = ["Input", "Making", "Move", "Ref", "Store", "Version", "default_url", "digest_of", "open_store", "parse_ref"]
