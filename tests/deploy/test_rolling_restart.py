"""Two replicas behind nginx are restarted one after the other, under load: every request is answered."""
import http.client
import threading
import time

from programs import (
    AUDIENCE, LIMIT, SERVICE, Issuer, Program, documented, free_port, get, of_kind, rendered, settings_of,
)

CLIENTS = 8
# A bound for the load; the test takes half of it.
LONGEST = 120


class Load(threading.Thread):
    """One client, which sends a request after the other until it is stopped; keeps what was not 200."""

    def __init__(self, port, token):
        super().__init__(daemon=True)
        self.port, self.token = port, token
        self.answered, self.lost = 0, []
        self.stopped = threading.Event()

    def run(self):
        deadline = time.monotonic() + LONGEST
        connection = None
        while not self.stopped.is_set() and time.monotonic() < deadline:
            # Some clients keep their connection, some open one for each request.
            if connection is None or self.answered % 50 == 0:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
            try:
                connection.request("GET", "/api/private", headers={"Authorization": f"Bearer {self.token}"})
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, http.client.HTTPException) as error:
                status, connection = repr(error), None
            self.answered += 1
            if status != 200:
                self.lost.append(status)
            # About a thousand requests a second in all.
            self.stopped.wait(0.005)


class Replica:
    """A replica with the settings of the Kubernetes manifests; only addresses differ."""

    def __init__(self, settings, issuer):
        self.port, self.operations = free_port(), free_port()
        self.settings = settings
        self.variables = {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "APP__OPERATIONS__HOST": "127.0.0.1",
            "APP__OPERATIONS__PORT": str(self.operations),
            "ISSUER_BASE_URL": issuer.url,
            "AUDIENCE": AUDIENCE,
        }
        self.program = self.start()

    def start(self):
        program = Program(SERVICE, "--config", self.settings, variables=self.variables)
        return program.wait(f"http://127.0.0.1:{self.operations}/readyz")

    def restart(self, limit):
        self.program.process.terminate()
        # It is not ready any more, and still serves.
        deadline = time.monotonic() + LIMIT
        while get(f"http://127.0.0.1:{self.operations}/readyz")[0] != 503:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert get(f"http://127.0.0.1:{self.port}/api/public")[0] == 200
        assert self.program.process.wait(limit) == 0, self.program.text()
        self.program = self.start()


def nginx(folder, port, replicas):
    """nginx with the documented upstream; the rest is what a test needs."""
    site = documented("nginx", "upstream api {")
    for number, replica in enumerate(replicas):
        site = site.replace(f"10.0.0.1{number + 1}:3010", f"127.0.0.1:{replica.port}")
    site = site.replace("listen 80;", f"listen 127.0.0.1:{port};")
    assert "10.0.0." not in site
    temporary = "".join(f"{it}_temp_path {it};" for it in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid nginx.pid; error_log stderr notice; worker_processes 1; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{site}\n}}\n"
    )
    return Program("nginx", "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf", cwd=folder)


def test_no_request_is_lost(tmp_path):
    _, manifests = rendered("base")
    settings = tmp_path / "Settings.toml"
    settings.write_text(settings_of(manifests))
    limit = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    with Issuer() as issuer:
        token = issuer.token()
        replicas = [Replica(settings, issuer) for _ in range(2)]
        port = free_port()
        try:
            with nginx(tmp_path, port, replicas) as proxy:
                proxy.wait(f"http://127.0.0.1:{port}/api/public")
                loads = [Load(port, token) for _ in range(CLIENTS)]
                for load in loads:
                    load.start()
                try:
                    for replica in replicas:
                        replica.restart(limit)
                finally:
                    for load in loads:
                        load.stopped.set()
                    for load in loads:
                        load.join(LIMIT)
                answered = sum(load.answered for load in loads)
                lost = [status for load in loads for status in load.lost]
                print(f"{answered} requests, {len(lost)} lost")
                assert answered > 2_000
                assert lost == [], (lost[:5], proxy.text()[-2000:])
        finally:
            for replica in replicas:
                replica.program.__exit__()
