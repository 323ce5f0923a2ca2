"""The files in `deploy/` fit Headway: commands, variables and files that they name exist. No image is built here."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from headway.cli import main
from headway.settings import Settings, variable

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")])
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SETTINGS = {variable(name) for name in Settings.__struct_fields__}
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")


def is_command(*words: str) -> bool:
    """Return whether these words begin a command of Headway, with options that it has."""
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        command = command.commands[rest.pop(0)]
    options = {name for each in command.params for name in each.opts}
    return not isinstance(command, click.Group) and {word for word in rest if word.startswith("--")} <= options


def variables(text: str) -> dict[str, str]:
    return dict(re.findall(r"^#?\s*(HEADWAY_\w+)=(\S*)", text, re.MULTILINE))


def test_there_are_the_files_that_the_document_names() -> None:
    document = (ROOT / "docs" / "deploying.md").read_text()
    named = set(re.findall(r"`deploy/([\w.-]+)`", document))

    assert named == {path.name for path in DEPLOY.iterdir()}


@pytest.mark.parametrize("unit", [each for each in UNITS if each.suffix == ".service"], ids=lambda each: each.name)
def test_units_run_commands_that_exist(unit: Path) -> None:
    lines = re.findall(r"^ExecStart=/opt/headway/bin/headway (.*)$", unit.read_text(), re.MULTILINE)

    assert lines
    assert all(is_command(*line.split()) for line in lines)


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda each: each.name)
def test_systemd_finds_no_fault_in_a_unit(unit: Path, tmp_path: Path) -> None:
    for each in UNITS:
        # There is no Headway in /opt here.
        (tmp_path / each.name).write_text(each.read_text().replace("/opt/headway/bin/headway", "/bin/true"))

    ran = subprocess.run(["systemd-analyze", "verify", tmp_path / unit.name], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@needs_systemd
@pytest.mark.parametrize("unit", [each for each in UNITS if each.suffix == ".service"], ids=lambda each: each.name)
def test_a_service_is_exposed_little(unit: Path) -> None:
    # Of 0 to 100; an unrestricted service has 96.
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Unknown" in ran.stderr or "unrecognized" in ran.stderr:
        pytest.skip("this systemd-analyze cannot look at files")

    assert ran.returncode == 0, ran.stdout[-200:]


def test_the_example_of_the_environment_is_valid() -> None:
    found = variables((DEPLOY / "headway.env.example").read_text())

    assert set(found) <= SETTINGS
    settings = Settings.load(found)
    assert settings.is_sqlite
    assert settings.backup_folder is not None


def test_the_image_is_made_of_what_the_package_needs() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINERFILE, re.MULTILINE)
    sources = [ROOT / name for line in copied for name in line.split()]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = [
        project["project"]["readme"],
        *project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"],
        "src/headway",
    ]

    assert all(source.exists() for source in sources)
    for name in needed:
        assert any((ROOT / name).is_relative_to(source) for source in sources), name
    (extras,) = re.findall(r"^ARG EXTRAS=(.*)$", CONTAINERFILE, re.MULTILINE)
    assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"])
    (python,) = set(re.findall(r"python:(\d\.\d+)-slim", CONTAINERFILE))
    assert f">={python}" == project["project"]["requires-python"]


def test_the_container_runs_commands_that_exist_as_somebody_without_rights() -> None:
    (check,) = re.findall(r'^HEALTHCHECK .* CMD \["headway", "(.*)"\]$', CONTAINERFILE, re.MULTILINE)
    (command,) = re.findall(r'^CMD \["(.*)"\]$', CONTAINERFILE, re.MULTILINE)
    (user,) = re.findall(r"^USER (.*)$", CONTAINERFILE, re.MULTILINE)
    found = dict(re.findall(r"(HEADWAY_\w+)=(\S+)", CONTAINERFILE))

    assert is_command(check)
    assert is_command(command)
    assert user.isdigit()
    assert set(found) <= SETTINGS
    assert Settings.load(found).sqlite_path == Path("/var/lib/headway/headway.db")


def test_the_services_of_compose_fit() -> None:
    services = COMPOSE["services"]
    server = services["headway"]
    environment = {name: expand(value) for name, value in server["environment"].items()}

    assert set(environment) <= SETTINGS
    # Whatever else is set, such as mail, stands in the file that the document makes.
    assert server["env_file"] == [".env"]
    assert "> .env" in (ROOT / "docs" / "deploying.md").read_text()
    assert not Settings.load(environment).is_sqlite
    assert is_command(*server["command"])
    assert (DEPLOY / server["build"]["context"] / server["build"]["dockerfile"]).resolve() == DEPLOY / "Containerfile"
    assert set(server["depends_on"]) <= set(services)
    assert all("healthcheck" in services[name] for name in server["depends_on"])
    mounted = {volume.partition(":")[0] for each in services.values() for volume in each.get("volumes", [])}
    assert mounted == set(COMPOSE["volumes"])
    assert all(re.search(r":\d+$", each["image"]) for each in services.values() if "build" not in each)


def expand(value: str) -> str:
    """Return a value as compose makes it, with what `.env` has to set."""
    given = {"POSTGRES_PASSWORD": "password", "HEADWAY_SECRET_KEY": "k" * 40}
    return re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda match: given.get(match[1], match[2] or ""), value)


def test_no_secret_stands_in_a_file() -> None:
    for path in DEPLOY.iterdir():
        text = path.read_text()
        assert not re.search(r"(?:PASSWORD|SECRET_KEY|ENCRYPTION_KEYS)(?:=|: +)[^\s$]", text), path.name
