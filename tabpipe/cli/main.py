"""The command line."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from components.common.base.errors import Refusal
from tabpipe.cli import ab, artifacts, cluster_runs, init, install, models, predict, runs, serving
from tabpipe.console import error

_RUN_EXAMPLE = """example:
  tabpipe run music_genres --source tracks.parquet train.n_estimators=200
  tabpipe run iris --steps preprocess,check_data
  tabpipe run my_table.yaml --from train --force"""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns its exit code: 0 done, 1 failed, 2 not accepted, 130 interrupted."""
    options = _parse(arguments)
    for ending in (signal.SIGTERM, signal.SIGHUP):  # ended like Ctrl-C: in order
        signal.signal(ending, signal.default_int_handler)
    try:
        return options.command(options)
    except Refusal as refusal:
        error(str(refusal))
        if getattr(options, "json", False):
            print(json.dumps({"state": "refused", "error": str(refusal)}))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read along, `head` for instance, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    for word in rest:  # overrides may stand between and after the flags
        if word.startswith("-") or not hasattr(options, "overrides"):
            parser.error(f"unrecognized argument: {word}")
    if rest:
        options.overrides = [*options.overrides, *rest]
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("tabpipe", description="From a table to a trained, checked and tracked model.")
    commands = parser.add_subparsers(title="commands", required=True)

    run = commands.add_parser(
        "run",
        help="run a pipeline on this machine",
        epilog=_RUN_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("config", help="a use case under config/, or a YAML file")
    run.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="dotted.name=value, instead of the YAML's value")
    run.add_argument(
        "--source", help="table to use: a path, an http(s):// or s3:// URL, artifact://NAME:ALIAS or sample://NAME"
    )
    some = run.add_mutually_exclusive_group()
    some.add_argument(
        "--steps", type=_names, help="run these steps only, on the last run's outputs: preprocess,check_data"
    )
    some.add_argument("--from", dest="start", metavar="STEP", help="run this step and all that follow it")
    run.add_argument(
        "--pipeline", choices=("train", "score"), default="train", help="score: let the champion answer the table"
    )
    run.add_argument("--force", action="store_true", help="run steps that the cache could serve")
    run.add_argument("--on", choices=("local", "docker"), default="local", help="where steps run (default: local)")
    run.add_argument(
        "--at", metavar="REF", help="with the code of a tag or commit, or of URL@REF; the working tree stays as it is"
    )
    run.add_argument("--json", action="store_true", help="print one JSON document on stdout, progress on stderr")
    run.set_defaults(command=_run)

    images = commands.add_parser(
        "images",
        help="build the images of the steps and of the server",
        epilog="example: tabpipe images --registry localhost:5001 --push",
    )
    images.add_argument("--registry", default="", help="what stands before the images' names")
    images.add_argument("--push", action="store_true", help="push them to the registry")
    images.add_argument(
        "--model", default="", help="those of a config with this train.model: lightgbm, xgboost or catboost"
    )
    images.set_defaults(command=_images)

    compiled = commands.add_parser(
        "compile", help="write a pipeline that Kubeflow runs", epilog="example: tabpipe compile iris"
    )
    compiled.add_argument("config", help="a use case under config/, or a YAML file")
    compiled.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="dotted.name=value")
    compiled.add_argument("--pipeline", choices=("train", "score"), default="train", help="which (default: train)")
    compiled.add_argument("--out", type=Path, help="the file (default: build/PIPELINE.yaml)")
    compiled.add_argument("--registry", default="", help="what stands before the images' names")
    compiled.set_defaults(command=_compile)

    cluster_runs.add(commands)
    install.add(commands)
    artifacts.add(commands)
    models.add(commands)
    serving.add(commands)
    ab.add(commands)
    predict.add(commands)
    runs.add(commands)

    ui = commands.add_parser("ui", help="open MLflow on the tracked runs", epilog="example: tabpipe ui --port 5001")
    ui.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (default: 5000)")
    ui.set_defaults(command=_ui)

    init.add(commands)

    dag = commands.add_parser(
        "dag", help="print a picture of the training pipeline, SVG", epilog="example: tabpipe dag > dag.svg"
    )
    dag.add_argument("--tsne", action="store_true", help="with the step tsne")
    dag.set_defaults(command=_dag)

    schema = commands.add_parser(
        "schema", help="print the JSON Schema of a config", epilog="example: tabpipe schema > config/schema.json"
    )
    schema.set_defaults(command=_schema)
    return parser


def _names(text: str) -> list[str]:
    return [name.strip().replace("-", "_") for name in text.split(",") if name.strip()]


def _run(options: argparse.Namespace) -> int:
    if options.pipeline == "score":
        from tabpipe.cli.score import run_score

        return run_score(options)
    if options.at is not None:
        from tabpipe.runs.at_release import become

        become(options, "run")

    from tabpipe.runs.train_run import Options, run

    return run(
        Options(
            options.config,
            options.source,
            options.overrides,
            options.steps,
            options.start and options.start.replace("-", "_"),
            options.force,
            options.json,
            options.on,
        )
    )


def _images(options: argparse.Namespace) -> int:
    from tabpipe.compile.build_images import build, engine, sizes

    built = build(registry=options.registry, push=options.push, model=options.model)
    print("\n".join(sizes(built, engine())))
    return 0


def _compile(options: argparse.Namespace) -> int:
    from tabpipe.compile.pipeline_yaml import compile_score, compile_training
    from tabpipe.config import find_config, load

    name, out = find_config(options.config).stem, options.out or Path("build") / f"{options.pipeline}.yaml"
    write = compile_score if options.pipeline == "score" else compile_training
    size = write(load(options.config, options.overrides), name, out, options.registry)
    print(f"  {out}  {size / 1024:.0f} KB")
    return 0


def _ui(options: argparse.Namespace) -> int:
    from tabpipe.tracking.ui import serve

    return serve(options.port)


def _dag(options: argparse.Namespace) -> int:
    from tabpipe.compile.dag import draw
    from tabpipe.compile.pipelines import training_spec
    from tabpipe.runs.selection import parents_of

    print(draw(parents_of(training_spec(options.tsne)), "The training pipeline"), end="")
    return 0


def _schema(options: argparse.Namespace) -> int:
    from tabpipe.config import UseCase

    print(json.dumps(UseCase.model_json_schema(), indent=1))
    return 0
