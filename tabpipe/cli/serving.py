"""The commands `serve`, `deploy` and `undeploy`."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any


def add(commands: Any) -> None:
    """Adds the commands to a parser's subcommands."""
    serve = commands.add_parser(
        "serve",
        help="answer requests with the champion, on this machine",
        description="Serves the champion of a use case by REST, until Ctrl-C. Who is champion is watched.",
        epilog="example: tabpipe serve music_genres --port 8001 serve.challenger.fraction=0.1",
    )
    _config(serve)
    serve.add_argument("--port", type=_port, default=8000, help="on 127.0.0.1 (default: 8000)")
    serve.add_argument("--on", choices=("local", "docker"), default="local", help="where it runs (default: local)")
    serve.add_argument(
        "--model",
        default="",
        metavar="ADDRESS",
        help="another model: USE_CASE@ALIAS, USE_CASE@v3, models:/NAME@ALIAS, models:/NAME/3, or a folder",
    )
    serve.set_defaults(command=_serve)

    deploy = commands.add_parser(
        "deploy",
        help="answer requests with the champion, on a cluster",
        description="Puts the server of a use case on the cluster of KUBECONFIG, and waits until it answers.",
        epilog="example: tabpipe deploy music_genres --registry registry.example/team --context production",
    )
    _config(deploy)
    deploy.add_argument("--registry", default="", help="what stands before the image's name")
    deploy.add_argument("--overlay", default="", help="kserve, kind, or a folder of manifests/overlays of your own")
    _place(deploy)
    deploy.add_argument(
        "--model", default="", metavar="ADDRESS", help="another model: models:/NAME@ALIAS or models:/NAME/3"
    )
    deploy.add_argument("--timeout", type=float, default=300, help="seconds that it has to become ready (default: 300)")
    deploy.add_argument("--force", action="store_true", help="take over fields that something else has set")
    deploy.set_defaults(command=_deploy)

    undeploy = commands.add_parser(
        "undeploy", help="take that server off the cluster", epilog="example: tabpipe undeploy music_genres"
    )
    undeploy.add_argument("config", help="a use case under config/, or a YAML file")
    _place(undeploy)
    undeploy.set_defaults(command=_undeploy)


def _config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="a use case under config/, or a YAML file")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="of the section serve: serve.replicas.min=3")


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--namespace", default="kubeflow", help="default: kubeflow, where `install` puts MLflow")
    parser.add_argument("--context", default="", help="of the kubeconfig (default: the current one)")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError("a whole number from 1 to 65535")
    return int(text)


def _serve(options: argparse.Namespace) -> int:
    from tabpipe.serving.server_settings import wanted

    what = wanted(options.config, options.overrides, options.model)
    if options.on == "docker":
        from tabpipe.serving.docker import serve_in_docker

        return serve_in_docker(what, options.port)
    from tabpipe.serving.local import serve_here

    return serve_here(what, options.port)


def _deploy(options: argparse.Namespace) -> int:
    from tabpipe.serving.deploy import Deployment, deploy

    return deploy(Deployment(**{field.name: getattr(options, field.name) for field in fields(Deployment)}))


def _undeploy(options: argparse.Namespace) -> int:
    from tabpipe.serving.deploy import undeploy

    return undeploy(options.config, options.namespace, options.context)
