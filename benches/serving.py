"""What the scripts of this folder share: servers, tokens, and the load that is sent to them."""
import base64
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
AUDIENCE = "https://quickstarts/api"
CORES = sorted(os.sched_getaffinity(0))

# The servers end when the script ends.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def target():
    return os.path.join(ROOT, os.environ.get("CARGO_TARGET_DIR", "target"))


def build(*examples, folder=None, **variables):
    """Builds the service and examples, and returns the directory that contains them."""
    folder = folder or target()
    environment = {**os.environ, **variables, "CARGO_TARGET_DIR": folder}
    # Apart: examples have dependencies with more features, which would be built into the service, too.
    for what in [["--bins"], [argument for example in examples for argument in ("--example", example)]]:
        if what:
            subprocess.run(["cargo", "build", "--quiet", "--release", *what], cwd=ROOT, check=True, env=environment)
    return os.path.join(folder, "release")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server on the first cores, which answers from the start; it is ended with the `with` block it stands in."""

    def __init__(self, command, cores=1, folder=None, log=subprocess.DEVNULL, tls=False, **variables):
        self.port, self.tls, self.program = free_port(), tls, command[0]
        self.started = time.monotonic()
        inherited = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        variables = {"HOST": "127.0.0.1", "RUST_LOG": "off", **inherited, **variables, "PORT": str(self.port)}
        pinned = ["taskset", "-c", ",".join(map(str, CORES[:cores])), *command]
        self.child = subprocess.Popen(pinned, cwd=folder, env=variables, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while not self.answers():
            if time.monotonic() > end or self.child.poll() is not None:
                self.end()
                sys.exit(f"{' '.join(command)} does not serve")
            time.sleep(0.001)
        self.ready_after = time.monotonic() - self.started

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def answers(self):
        try:
            connection = self.connection()
            connection.request("GET", "/api/public")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def connection(self):
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=2, context=ssl._create_unverified_context())
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)

    def cpu(self):
        """Seconds of processor time so far, by the scheduler's own accounts."""
        tasks = f"/proc/{self.child.pid}/task"
        return sum(int(read(f"{tasks}/{task}/schedstat").split()[0]) for task in os.listdir(tasks)) / 1e9

    def resident(self):
        """MiB of memory in use."""
        status = read(f"/proc/{self.child.pid}/status").splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024

    def end(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        self.child.wait(40)


def read(path):
    with open(path) as file:
        return file.read()


class Issuer(Server):
    """The service's own development issuer, and the API beside it, which receives no requests."""

    def __init__(self, service, **variables):
        self.issuer_port = free_port()
        self.folder = tempfile.TemporaryDirectory()
        super().__init__([service], folder=self.folder.name, APP__DEV_ISSUER__PORT=str(self.issuer_port), **variables)

    def trusted(self):
        """The settings with which a server trusts this issuer."""
        return {"ISSUER_BASE_URL": f"http://localhost:{self.issuer_port}/", "AUDIENCE": AUDIENCE}

    def tokens(self, count):
        """So many tokens, each another."""
        asked = {"grant_type": "client_credentials", "client_id": "demo-read", "client_secret": "any"}
        connection = http.client.HTTPConnection("localhost", self.issuer_port)

        def token():
            connection.request("POST", "/oauth/token", json.dumps(asked), {"Content-Type": "application/json"})
            return json.load(connection.getresponse())["access_token"]

        return [token() for _ in range(count)]


def forged(tokens):
    """Each token with the signature of the one before."""
    return [f"{token.rpartition('.')[0]}.{before.rpartition('.')[2]}" for before, token in zip([tokens[-1], *tokens], tokens)]


def of_unknown_keys(tokens, name):
    """Each token as if another unknown key had signed it."""
    def renamed(number, token):
        header = json.dumps({"alg": "RS256", "kid": f"{name}-{number:07}", "typ": "at+jwt"})
        return base64.urlsafe_b64encode(header.encode()).rstrip(b"=").decode() + token[token.index("."):]

    return [renamed(number, token) for number, token in enumerate(tokens)]


class Load:
    """Sends requests from the last core and waits for their answers."""

    def __init__(self, program, seconds):
        self.program, self.seconds = program, seconds
        # Microseconds within which half of the last requests, 99 % and 99.9 % were answered.
        self.times = []

    def send(self, server, path, tokens=(), status=200, once=False):
        """The number of answers, and the seconds that they took."""
        command = ["taskset", "-c", str(CORES[-1]), self.program, str(server.port), path, str(60 if once else self.seconds), str(status)]
        command += ["once"] if once else []
        # A token with its scheme, and possibly further headers, is sent as it is.
        lines = "".join((token if " " in token else f"Bearer {token}") + "\n" for token in tokens)
        done = subprocess.run(command, input=lines, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"wrong answers from {path}: {done.stderr}")
        answers, seconds, *self.times = done.stdout.split()
        return int(answers), float(seconds)

    def cost(self, server, *arguments, **options):
        """Microseconds of the server's processor time for each request."""
        before = server.cpu()
        answers, _ = self.send(server, *arguments, **options)
        return (server.cpu() - before) / answers * 1e6


def table(name, head, rows):
    """Prints a Markdown table under the name by which `benches/tables` finds its place."""
    print(f"<!-- {name} -->")
    print("| " + " | ".join(head) + " |")
    print("|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)
