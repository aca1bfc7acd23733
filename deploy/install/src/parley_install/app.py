"""`parley-install`: writes the secrets of an installation, and keeps those that are there."""

import argparse
import sys
from pathlib import Path

from parley_install import installation, nats
from parley_install.files import EnvFile
from parley_install.rotation import ROTATIONS, rotate

OVERLAYS = {"local": "postgres:5432", "production": "parley-db-rw:5432"}
"""Where each overlay's database answers."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="parley-install", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    compose = commands.add_parser("compose", help="write .env and deploy/compose/secrets")
    compose.add_argument("--root", type=Path, default=Path(), help="the checkout")
    kubernetes = commands.add_parser("kubernetes", help="write the files that an overlay's Secrets are made of")
    kubernetes.add_argument("overlay", choices=OVERLAYS)
    kubernetes.add_argument("--root", type=Path, default=Path(), help="the checkout")
    kubernetes.add_argument("--database", help="host:port of PostgreSQL, if it is another")
    rotated = commands.add_parser(
        "rotate", help="put new secrets in the place of old ones, to be applied without a break"
    )
    rotated.add_argument("what", choices=ROTATIONS)
    rotated.add_argument("overlay", choices=("compose", *OVERLAYS), help="whose: Compose's, or an overlay's")
    rotated.add_argument("--root", type=Path, default=Path(), help="the checkout")
    commands.add_parser("nats", help="print NATS's users and what each may do")
    return parser.parse_args()


def _rotate(what: str, overlay: str, root: Path) -> None:
    """Exit code 1 if there is nothing to rotate."""
    folder = root / "deploy/k8s/overlays" / overlay / "secrets"
    compose = overlay == "compose"
    said = rotate(what, [root / ".env"] if compose else sorted(folder.glob("*.env")))
    if not said:
        sys.stderr.write("There are no such secrets there. Make them first: make env, or make k8s-secrets\n")
        raise SystemExit(1)
    if what == "operator-key":
        env_file, keys = (root / ".env", root / "deploy/compose/secrets") if compose else (folder / "auth.env", folder)
        installation.keep_operator_key(keys, EnvFile(env_file))
    for sentence in said:
        sys.stdout.write(f"{sentence}.\n")
    how = "docker compose up --detach --wait" if compose else f"kubectl apply -k deploy/k8s/overlays/{overlay}"
    sys.stdout.write(f"Apply it: {how}   (docs/operations/rotation.md)\n")


def main() -> None:
    """Exit code 0; 1 if a file cannot be read or written."""
    arguments = _arguments()
    if arguments.command == "nats":
        sys.stdout.write(nats.users())
        return
    try:
        if arguments.command == "rotate":
            _rotate(arguments.what, arguments.overlay, arguments.root)
            return
        if arguments.command == "compose":
            report = installation.compose(arguments.root / ".env", arguments.root / "deploy/compose/secrets")
        else:
            report = installation.kubernetes(
                arguments.root / "deploy/k8s/overlays" / arguments.overlay / "secrets",
                arguments.database or OVERLAYS[arguments.overlay],
                own_servers=arguments.overlay == "local",
            )
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        raise SystemExit(1) from None
    sys.stdout.write(f"{len(report.made)} secrets made; those that were there are kept.\n")
    for path, name in report.missing:
        sys.stdout.write(f"Fill in {name} in {path}.\n")
