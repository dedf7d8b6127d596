"""MLflow's server in a container: waits for its database, brings the tables to this version, becomes the server.

Arguments are those of `mlflow server`. The database comes from DATABASE_HOST, DATABASE_PORT, DATABASE_NAME,
DATABASE_USER and DATABASE_PASSWORD, so that the password is in no argument and no log.
"""

from __future__ import annotations

import os
import sys
import time
from urllib.parse import quote

import psycopg

WAIT = 300
"""Seconds that the database may take to answer."""
LOCK = 7_310_201
"""An advisory lock of the database: of servers that start together, one makes the tables."""


def main() -> None:
    """Runs the server; does not return."""
    host, name = os.environ["DATABASE_HOST"], os.environ.get("DATABASE_NAME", "mlflow")
    port, user = int(os.environ.get("DATABASE_PORT", "5432")), os.environ.get("DATABASE_USER", "mlflow")
    password = os.environ.pop("DATABASE_PASSWORD")
    url = f"postgresql+psycopg://{quote(user, safe='')}:{quote(password, safe='')}@{host}:{port}/{name}"
    with _database(host=host, port=port, dbname=name, user=user, password=password) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        _make_tables(url)
    os.environ["MLFLOW_BACKEND_STORE_URI"] = url
    print("database ready; the server starts", flush=True)
    os.execvp(sys.executable, [sys.executable, "-m", "mlflow", "server", *sys.argv[1:]])


def _database(**where: str | int) -> psycopg.Connection:
    """A connection to the database, as soon as it takes one."""
    end = time.monotonic() + WAIT
    while True:
        try:
            return psycopg.connect(**where, connect_timeout=5, autocommit=True)
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[-1]
            if "authentication failed" in reason:
                sys.exit(f"the database does not take the password of {where['user']}: {reason}")
            if time.monotonic() > end:
                sys.exit(f"no database at {where['host']}:{where['port']} within {WAIT} s: {reason}")
            print(f"waiting for the database at {where['host']}:{where['port']} ({reason})", flush=True)
            time.sleep(2)


def _make_tables(url: str) -> None:
    """Makes the tables, or brings those of an earlier MLflow up to date."""
    from mlflow.db import upgrade

    upgrade.main([url], standalone_mode=False)


if __name__ == "__main__":
    main()
