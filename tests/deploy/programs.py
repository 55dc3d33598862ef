"""Programs that the tests start, on loopback and free ports."""
import itertools
import os
import re
import socket
import ssl
import subprocess
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
SERVICE = Path(os.environ.get("SERVICE", TARGET / "debug/actix-resource-server"))
PROMTOOL = TARGET / "deploy/prometheus/usr/bin/promtool"
AUDIENCE = "https://quickstarts/api"
LIMIT = 30

# The tests make their certificates themselves.
OWN_CERTIFICATES = ssl.create_default_context()
OWN_CERTIFICATES.check_hostname = False
OWN_CERTIFICATES.verify_mode = ssl.CERT_NONE

_ports = itertools.count(20_000 + os.getpid() % 10_000)


def free_port():
    """Below the ephemeral ports, one of which an outgoing connection could take before it is used."""
    for port in _ports:
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def run(*command, **options):
    """Runs a command to its end; a failure shows what it printed."""
    options = {"cwd": ROOT, "timeout": 120, **options}
    ended = subprocess.run([str(it) for it in command], capture_output=True, text=True, **options)
    assert ended.returncode == 0, f"{command}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def get(url, headers=None):
    """The status and the text of a response, also of a rejection."""
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=LIMIT, context=OWN_CERTIFICATES) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Program:
    """A running program; ends with the block that uses it."""

    def __init__(self, *command, variables=None, **options):
        self.log = tempfile.TemporaryFile("w+")
        # No variable of this process configures the program by chance.
        inherited = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
        command = [str(it) for it in command]
        options = {"cwd": tempfile.gettempdir(), **options}
        self.process = subprocess.Popen(
            command, env=inherited | (variables or {}), stdout=self.log, stderr=self.log, **options
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def terminate(self, limit=LIMIT):
        """Sends SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(limit)

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def wait(self, url):
        """Waits until it answers 200."""
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                if get(url)[0] == 200:
                    return self
            except OSError:
                pass
            assert self.process.poll() is None and time.monotonic() < deadline, f"{url}: {self.text()}"
            time.sleep(0.05)


class Issuer(Program):
    """The development issuer, in a service of its own."""

    def __init__(self):
        self.port, api = free_port(), free_port()
        self.url = f"http://localhost:{self.port}/"
        self.variables = {"PORT": str(api), "APP__DEV_ISSUER__PORT": str(self.port)}
        super().__init__(SERVICE, variables=self.variables)
        self.wait(f"http://127.0.0.1:{api}/readyz")

    def token(self):
        return run(SERVICE, "token", cwd=tempfile.gettempdir(), env=os.environ | self.variables).strip()


def rendered(kustomization):
    """The manifests that the real kustomize makes, by kind and name."""
    text = run("kubectl", "kustomize", DEPLOY / "kubernetes" / kustomization)
    return text, list(yaml.safe_load_all(text))


def of_kind(manifests, kind):
    [found] = [it for it in manifests if it["kind"] == kind]
    return found


def settings_of(manifests):
    return of_kind(manifests, "ConfigMap")["data"]["Settings.toml"]


def parsed_settings(manifests):
    return tomllib.loads(settings_of(manifests))


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)(s|m)", duration).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def documented(language, beginning):
    """The block of docs/operations.md that begins so."""
    text = (ROOT / "docs/operations.md").read_text()
    [block] = [it for it in re.findall(rf"```{language}\n(.*?)```", text, re.S) if it.startswith(beginning)]
    return block
