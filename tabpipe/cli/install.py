"""The commands `install` and `cluster`."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Adds the commands to a parser's subcommands."""
    install = commands.add_parser(
        "install",
        help="put Kubeflow Pipelines, MinIO and MLflow on a cluster",
        epilog="example: tabpipe install --registry registry.example/team --context production",
    )
    install.add_argument("--overlay", default="cluster", help="a folder of manifests/overlays (default: cluster)")
    install.add_argument("--registry", default="", help="what stands before the name of MLflow's image")
    install.add_argument("--context", default="", help="of the kubeconfig (default: the current one)")
    install.add_argument(
        "--kfp-manifests", type=Path, metavar="PATH", help="a copy of Kubeflow's manifests/kustomize at 2.17.0"
    )
    install.add_argument("--only", choices=("platform",), default="", help="MinIO and MLflow without Kubeflow")
    install.add_argument("--namespace", default="kubeflow", help="another one, with --only platform")
    install.add_argument(
        "--image",
        dest="images",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="take an image from elsewhere; may stand more than once",
    )
    install.add_argument(
        "--timeout", type=float, default=900, help="seconds that the parts have to become ready (default: 900)"
    )
    install.add_argument("--force", action="store_true", help="take over fields that something else has set")
    install.set_defaults(command=_install)

    cluster = commands.add_parser(
        "cluster", help="a kind cluster on this machine, with all of it", epilog="example: tabpipe cluster up"
    )
    what = cluster.add_subparsers(title="commands", required=True)
    what.add_parser("up", help="make it and install everything").set_defaults(command=_up)
    what.add_parser("down", help="delete it with its data").set_defaults(command=_down)


def _install(options: argparse.Namespace) -> int:
    from tabpipe.install.install import Install, install

    return install(Install(**{field.name: getattr(options, field.name) for field in fields(Install)}))


def _up(options: argparse.Namespace) -> int:
    from tabpipe.install.kind import up

    return up()


def _down(options: argparse.Namespace) -> int:
    from tabpipe.install.kind import down

    return down()
