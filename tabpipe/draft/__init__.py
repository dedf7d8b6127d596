"""The config of a table that tabpipe has not seen: what an expert would decide on it, with the reasons."""

from tabpipe.draft.decisions import Draft, draft
from tabpipe.draft.document import as_yaml
from tabpipe.draft.screen import as_json, show

__all__ = ["Draft", "as_json", "as_yaml", "draft", "show"]
