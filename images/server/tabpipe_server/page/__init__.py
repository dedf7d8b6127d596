"""The pages for people: a form that asks the model, and the documentation of the endpoints."""

from tabpipe_server.page.docs import docs_page
from tabpipe_server.page.form import page_for
from tabpipe_server.page.signature import signature_of

__all__ = ["docs_page", "page_for", "signature_of"]
