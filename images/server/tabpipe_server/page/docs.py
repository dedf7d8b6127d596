"""The documentation of the endpoints as a page, made from the OpenAPI document."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from components.common.reports import style
from components.common.reports.html import escape
from tabpipe_server.page.policy import part, whole_page

BASE = "http://localhost:8000"
"""The address in the commands; the page's script puts that of the page in its place."""
_LONGEST = 50_000
"""Characters of a schema that are shown; those of thousands of columns have millions."""


def docs_page(document: Mapping[str, Any]) -> str:
    """The whole page.

    Args:
        document: The OpenAPI document.

    Returns:
        HTML that loads nothing else. Its policy stands in it.
    """
    info = document["info"]
    sections = "".join(_section(document, tag) for tag in document["tags"])
    schemas = "".join(
        f'<details class="panel"><summary><code>{escape(name)}</code> {_prose(schema.get("description", ""))}</summary>'
        f"<pre>{escape(_indented(schema))}</pre></details>"
        for name, schema in document["components"]["schemas"].items()
    )
    body = (
        f'<main><header class="top"><div><h1>{escape(info["title"])}</h1><p class="sub">Version '
        f"{escape(info['version'])}. {_prose(info['description'])}</p></div>"
        '<nav aria-label="More of this server"><a href="./">Form</a><a href="openapi.json">OpenAPI</a></nav></header>'
        f'{sections}<section><h2>Schemas</h2><p class="note">As JSON Schema 2020-12 has them.</p>{schemas}</section>'
        "</main>"
    )
    styles = [style.THEME + style.PAGE + part("form.css") + part("docs.css")]
    return whole_page(info["title"], body, styles=styles, scripts=[part("docs.js")])


def curl_lines(method: str, path: str, operation: Mapping[str, Any], base: str = BASE) -> Iterator[tuple[str, str]]:
    """Commands that ask an endpoint with the examples of the document.

    Args:
        method: For instance post.
        path: The path of the document.
        operation: What the document says of it.
        base: The server's address, without a slash at the end.

    Yields:
        The example's name, and the command, which runs as it is in a POSIX shell.
    """
    key = ' -H "X-API-Key: $API_KEY"' if operation.get("security") else ""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(parameter["example"], safe=""))
    address = shlex.quote(base + path)
    if method == "get":
        yield "", f"curl {address}{key}"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        examples = {name: example["value"] for name, example in content.get("examples", {}).items()}
        if "example" in content:
            examples[media.rpartition("/")[2] if examples or media == "text/csv" else ""] = content["example"]
        for name, value in examples.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield name, f"curl {address} -H {shlex.quote(f'Content-Type: {media}')}{key} --data-raw {_quoted(text)}"


def _quoted(text: str) -> str:
    """Text in single quotes; a single quote in it outside them."""
    return "'" + text.replace("'", "'\\''") + "'"


def _section(document: Mapping[str, Any], tag: Mapping[str, str]) -> str:
    found = [
        _endpoint(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag["name"] in operation["tags"]
    ]
    title = tag["name"].capitalize()
    return (
        f'<section><h2>{escape(title)}</h2><p class="note">{_prose(tag["description"])}</p>{"".join(found)}</section>'
    )


def _endpoint(method: str, path: str, operation: Mapping[str, Any]) -> str:
    commands = "".join(
        f"<p class='what'>{escape(name)}</p><pre tabindex='0'>{escape(command)}</pre>"
        for name, command in curl_lines(method, path, operation)
    )
    rows = "".join(
        f"<tr><td>{escape(status)}</td><td>{_codes(answer['description'])}</td><td>{_schemas(answer)}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    answers = (
        '<div class="scroll"><table><thead><tr><th scope="col">Status</th><th scope="col">Meaning</th>'
        f'<th scope="col">Body</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
    body = "".join(
        f"<p>Body <code>{escape(media)}</code>: {_schemas({'content': {media: content}})}</p>"
        for media, content in operation.get("requestBody", {}).get("content", {}).items()
    )
    headers = "".join(
        f"<p>Header <code>{escape(header['name'])}</code> (optional): {_prose(header['description'])}</p>"
        for header in operation.get("parameters", ())
        if header["in"] == "header"
    )
    about = f"<p>{_prose(operation['description'])}</p>" if "description" in operation else ""
    begins_open = " open" if method == "post" else ""
    return (
        f'<details class="panel endpoint"{begins_open}><summary><span class="method">{escape(method.upper())}</span> '
        f'<code>{escape(path)}</code> <span class="note">{escape(operation["summary"])}</span></summary>'
        f'<div class="inside">{about}{body}{headers}{commands}{answers}</div></details>'
    )


def _schemas(answer: Mapping[str, Any]) -> str:
    """The names of the schemas of a body."""
    names = []
    for media, content in answer.get("content", {}).items():
        schema = content.get("schema", {})
        refs = [one["$ref"] for one in schema.get("oneOf", [schema]) if "$ref" in one]
        names += [ref.rpartition("/")[2] for ref in refs] or [media if media != "application/json" else "JSON"]
    return ", ".join(f"<code>{escape(name)}</code>" for name in names)


def _codes(description: str) -> str:
    return (
        "<br>".join(_prose(line) for line in description.split("; `")) if "`: " in description else _prose(description)
    )


def _prose(text: str) -> str:
    """Text in which `this` is code."""
    return re.sub(
        r"`?([A-Z_]{4,})`:|`([^`]+)`", lambda m: f"<code>{m[1] or m[2]}</code>{':' * bool(m[1])}", escape(text)
    )


def _indented(schema: Any) -> str:
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n… the whole is in openapi.json"
