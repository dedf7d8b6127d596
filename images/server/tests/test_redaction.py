"""Texts that go into logs and answers hold no secret, and still say where things are."""

import pytest

from tabpipe_server.redaction import redacted


@pytest.mark.parametrize(
    ("name", "value", "text", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", "s3cr3t", "denied: s3cr3t", "denied: ***"),
        ("MLFLOW_TRACKING_PASSWORD", "s3cr3t", "http://ana:s3cr3t@mlflow/x", "http://mlflow/x"),
        ("PWD", "/home/ana", "/home/ana/iris means no model", "/home/ana/iris means no model"),
        ("OLDPWD", "/home/ana", "/home/ana/iris means no model", "/home/ana/iris means no model"),
        ("API_TOKEN_FILE", "/run/token", "/run/token is not there", "/run/token is not there"),
    ],
)
def test_secrets_are_masked_and_paths_are_not(monkeypatch, name, value, text, said):
    monkeypatch.setenv(name, value)
    assert redacted(text) == said
