"""The image: its Dockerfile, and what that puts together, without a container engine."""
import json
import os
import re
import shutil
import subprocess
import tomllib

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from programs import AUDIENCE, DEPLOY, ROOT, SERVICE, TARGET, Issuer, Program, free_port, get, run

DOCKERFILES = ["Dockerfile", "deploy/compose/provider/Dockerfile", "examples/spa/Dockerfile"]
BASE = TARGET / "deploy/base"
LIMIT_MB = 40
# The largest stripped program that .ci/run and the design allow.
LARGEST_PROGRAM = 11 * 1024 * 1024
UID = "65532"


def instructions():
    """The lines of the Dockerfile's last stage, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    stages = re.split(r"^(?=FROM )", text, flags=re.M)[1:]
    lines = [line.split(maxsplit=1) for line in stages[-1].splitlines() if line and not line.startswith("#")]
    return [(name, " ".join(value.split())) for name, value in lines]


@pytest.mark.parametrize("file", DOCKERFILES)
def test_linters_find_nothing(file):
    run("hadolint", "--failure-threshold", "style", ROOT / file)
    run("checkov", "--file", ROOT / file, "--framework", "dockerfile", "--quiet", "--compact", "--skip-download")


@pytest.mark.parametrize("file", DOCKERFILES)
def test_bases_are_pinned(file):
    bases = re.findall(r"^FROM (\S+)", (ROOT / file).read_text(), re.M)
    assert bases
    for base in bases:
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", base), base


def test_what_is_copied_is_in_the_context():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    paths = [path for line in copied for path in line.split()]
    assert sorted(f"!{path}" for path in paths) == sorted(ignored[1:])
    assert all((ROOT / path).exists() for path in paths)


def test_the_version_is_that_of_the_package():
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    assert ("ARG", f"VERSION={version}") in instructions()
    deployment = (DEPLOY / "kubernetes/base/deployment.yaml").read_text()
    assert f"image: registry.example.com/actix-resource-server:{version}\n" in deployment


def test_the_program_is_stripped():
    """What cargo would compile by the command of the Dockerfile."""
    [command] = re.findall(r"^RUN (cargo build .*)$", (ROOT / "Dockerfile").read_text(), re.M)
    # Only printing the units of a build is an unstable option, in this toolchain of a stable release.
    variables = os.environ | {"RUSTC_BOOTSTRAP": "1"}
    graph = json.loads(run(*command.split(), "--unit-graph", "-Zunstable-options", env=variables))
    roots = [graph["units"][number] for number in graph["roots"]]
    [root] = [unit for unit in roots if unit["target"]["kind"] == ["bin"]]
    assert root["profile"]["strip"] == {"resolved": {"Named": "symbols"}}, root["profile"]
    assert root["features"] == ["openapi", "redis", "service"]


def test_the_image_is_small():
    base = sum(path.lstat().st_size for path in BASE.rglob("*") if path.is_file() and not path.is_symlink())
    size = (base + LARGEST_PROGRAM) / 1e6
    print(f"image: {size:.1f} MB, {base / 1e6:.1f} MB of them from the base")
    assert size <= LIMIT_MB


@pytest.fixture(scope="module")
def root_folder(tmp_path_factory):
    """The root of the image: the base's packages, and what the Dockerfile copies."""
    root = tmp_path_factory.mktemp("image")
    shutil.copytree(BASE, root, symlinks=True, dirs_exist_ok=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    program = root / "usr/local/bin/actix-resource-server"
    program.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(SERVICE, program)
    settings = root / "etc/actix-resource-server/Settings.toml"
    settings.parent.mkdir()
    shutil.copy(DEPLOY / "image/Settings.toml", settings)
    os.chmod(root, 0o755)
    return root


def in_image(root, command):
    """Runs as a container does: read-only root, a user without privileges, no capabilities."""
    enter = 'cd / && mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    directory = dict(instructions())["WORKDIR"]
    # chroot leaves the capabilities of root behind with its user.
    return ["unshare", "--mount", "sh", "-c", enter, "sh", root, "setpriv", "--no-new-privs", "chroot",
            f"--userspec={UID}:{UID}", root, "/bin/env", "-C", directory, *command]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount and change its root")
def test_it_runs_read_only_and_without_capabilities(root_folder):
    configured = dict(instructions())
    assert configured["USER"] == f"{UID}:{UID}"
    variables = dict(pair.split("=") for pair in configured["ENV"].split())
    entry = json.loads(configured["ENTRYPOINT"])
    health = json.loads(configured["HEALTHCHECK"].split(" CMD ")[1])
    # The image has no program but this one; env sets the working directory as a container engine does.
    shutil.copy("/bin/env", root_folder / "bin/env")
    api, operations = free_port(), free_port()
    with Issuer() as issuer:
        variables |= {
            "ISSUER_BASE_URL": issuer.url,
            "AUDIENCE": AUDIENCE,
            "PORT": str(api),
            "APP__OPERATIONS__PORT": str(operations),
            "APP__SERVER__DRAIN_DELAY": "0s",
        }
        with Program(*in_image(root_folder, entry), variables=variables) as service:
            service.wait(f"http://127.0.0.1:{operations}/readyz")
            status = (f"/proc/{service.process.pid}/status", "CapEff:\t0000000000000000", f"Uid:\t{UID}", "NoNewPrivs:\t1")
            with open(status[0]) as file:
                text = file.read()
            assert all(line in text for line in status[1:]), text
            assert get(f"http://127.0.0.1:{api}/api/private")[0] == 401
            bearer = {"Authorization": f"Bearer {issuer.token()}"}
            assert get(f"http://127.0.0.1:{api}/api/private", bearer)[0] == 200
            assert get(f"http://127.0.0.1:{api}/metrics", bearer)[0] == 404
            subprocess.run([str(it) for it in in_image(root_folder, health)], env=os.environ | variables, check=True)
            assert service.terminate() == 0, service.text()


def test_its_libraries_are_in_the_base(root_folder):
    needed = re.findall(r"Shared library: \[(.*)\]", run("readelf", "--dynamic", SERVICE))
    assert needed
    for library in needed:
        assert any(root_folder.rglob(library)), library


def test_the_bill_of_materials_is_valid():
    text = run(DEPLOY / "sbom")
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    names = {it["name"] for it in json.loads(text)["components"]}
    assert {"actix-web", "aws-lc-sys", "redis", "rustls"} <= names
    # Of tests, of build scripts, of the development issuer.
    assert not {"proptest", "cc", "biscuit"} & names
