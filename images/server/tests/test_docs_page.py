import os
import shutil
import subprocess
from dataclasses import replace

import pytest

from images.server.tests.tree_models import asked, server, tree_model, tree_served
from tabpipe_server.openapi import document
from tabpipe_server.page.docs import curl_lines, docs_page
from tabpipe_server.schemas import CODES
from tabpipe_server.settings import settings_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return tmp_path_factory.mktemp("trees")


@pytest.fixture(scope="module")
def settings(trained):
    return settings_of({"TABPIPE_SERVE_MODEL": str(tree_model(trained)), "TABPIPE_SERVE_NAME": "trees"})


@pytest.mark.run
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
@pytest.mark.parametrize("key", ["", "a-key-of-the-test"], ids=["open", "locked"])
def test_commands_of_the_docs_page_work(trained, tmp_path, key):
    tried = 0
    with server(tree_model(trained), tmp_path, **({"api_key": key} if key else {})) as address:
        _, told = asked(f"{address}/openapi.json")
        for path, methods in told["paths"].items():
            for method, operation in methods.items():
                for _, command in curl_lines(method, path, operation, address):
                    quiet = command.replace("curl ", "curl -sS -o /dev/null -w '%{http_code}' ", 1)
                    run = subprocess.run(
                        ["sh", "-c", quiet], capture_output=True, text=True, env={**os.environ, "API_KEY": key}
                    )
                    assert (run.stdout, run.stderr) == ("200", ""), command
                    tried += 1
    assert tried > 15


def test_docs_page_shows_every_path_and_schema(trained, settings):
    found = document("trees", tree_served(trained), replace(settings, api_key="a-key-of-the-test"))
    page = docs_page(found)
    for path in found["paths"]:
        assert f"<code>{path}</code>" in page
    for name in found["components"]["schemas"]:
        assert f"<summary><code>{name}</code>" in page
    for codes in CODES.values():
        assert all(f"<code>{code}</code>" in page for code in codes if code != "METHOD_NOT_ALLOWED")


def test_docs_page_escapes_what_it_shows(trained, settings):
    served = replace(tree_served(trained), name="</code><script>alert(1)</script>", version="<b>")
    page = docs_page(document(served.name, served, settings))
    assert "<script>alert" not in page and "<b>" not in page
