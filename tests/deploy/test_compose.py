"""The compose file: checked by compose, and its programs started with its variables, without containers."""
import base64
import hashlib
import http.cookiejar
import json
import os
import re
import tomllib
import urllib.error
import urllib.parse
import urllib.request

import pytest

from programs import DEPLOY, ROOT, SERVICE, Program, free_port, get, run

# What each name of a service stands for on this machine.
PROGRAMS = {
    "api": [SERVICE],
    "provider": ["node", DEPLOY / "compose/provider/provider.mjs"],
    "spa": ["node", ROOT / "examples/spa/serve.mjs"],
}
SPA_CONFIG = (ROOT / "examples/spa/config.js").read_text()


def configuration():
    """The compose file as compose resolves it."""
    return json.loads(run("docker-compose", "--file", DEPLOY / "compose.yaml", "config", "--format", "json"))


def spa_constant(name):
    [value] = re.findall(rf'{name} = "(.*)";', SPA_CONFIG)
    return value


def test_it_fits_the_page():
    services = configuration()["services"]
    provider, api = services["provider"]["environment"], services["api"]["environment"]
    assert provider["ISSUER"] == api["ISSUER"] == spa_constant("domain") + "/"
    assert provider["AUDIENCE"] == api["AUDIENCE"] == spa_constant("audience")
    assert provider["CLIENT_ID"] == spa_constant("clientId")
    assert api["APP__SERVER__PUBLIC_URL"] == spa_constant("api")
    assert provider["SPA_ORIGIN"] == api["APP__CORS__ALLOWED_ORIGINS"]


def test_containers_have_no_privileges_and_stop_in_time():
    services = configuration()["services"]
    assert services.keys() == PROGRAMS.keys()
    for service in services.values():
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(port["host_ip"] == "127.0.0.1" for port in service["ports"])
    server = tomllib.loads((DEPLOY / "image/Settings.toml").read_text())["server"]
    stop = sum(int(server[key].removesuffix("s")) for key in ("drain_delay", "shutdown_timeout"))
    assert stop < int(services["api"]["stop_grace_period"].removesuffix("s"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The three programs, with the variables of the compose file; its ports and hosts are mapped to this machine's."""
    services = configuration()["services"]
    ports = {it["target"]: free_port() for service in services.values() for it in service["ports"]}

    def mapped(value):
        value = re.sub(r"(?<=:)(\d{4})\b", lambda port: str(ports[int(port[1])]), value)
        return value.replace("http://provider:", "http://127.0.0.1:")

    folder = tmp_path_factory.mktemp("api")
    image_settings = (DEPLOY / "image/Settings.toml").read_text()
    (folder / "Settings.toml").write_text(image_settings.replace("9000", str(ports[9000])))
    own = {"api": {"PORT": str(ports[3010]), "HOST": "0.0.0.0"}, "provider": {}, "spa": {}}
    for name, service in services.items():
        own[name] = {key: mapped(value) for key, value in service["environment"].items()} | own[name]
    own["provider"]["PORT"], own["spa"]["PORT"] = str(ports[3011]), str(ports[5173])
    with (
        Program(*PROGRAMS["provider"], variables=own["provider"]) as provider,
        Program(*PROGRAMS["api"], variables=own["api"], cwd=folder) as api,
        Program(*PROGRAMS["spa"], variables=own["spa"]) as spa,
    ):
        provider.wait(f"http://localhost:{ports[3011]}/jwks")
        api.wait(f"http://127.0.0.1:{ports[9000]}/readyz")
        spa.wait(f"http://localhost:{ports[5173]}/")
        yield {name: mapped(value) for name, value in {
            "api": spa_constant("api"), "issuer": spa_constant("domain"), "spa": "http://localhost:5173",
        }.items()}


class Stop(urllib.request.HTTPRedirectHandler):
    """Follows redirects within the provider, and not to the page."""

    def redirect_request(self, request, response, code, message, headers, url):
        if "code=" in url:
            return None
        return super().redirect_request(request, response, code, message, headers, url)


class Agent:
    """A browser of one user: cookies, forms and redirects."""

    def __init__(self):
        # The provider sets cookies for plain http on localhost, which the default policy keeps.
        jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), Stop)

    def open(self, url, form=None):
        body = urllib.parse.urlencode(form).encode() if form else None
        try:
            with self.opener.open(url, body, timeout=10) as response:
                return response.url, response.read().decode()
        except urllib.error.HTTPError as error:
            if error.code not in (302, 303):
                raise AssertionError(f"{url}: {error.code} {error.read().decode()}") from error
            return error.headers["Location"], ""


def sign_in(site, scope):
    """As the page's SDK: a code with PKCE; the access token."""
    verifier = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
    query = {
        "audience": spa_constant("audience"), "client_id": spa_constant("clientId"), "code_challenge": challenge,
        "code_challenge_method": "S256", "redirect_uri": site["spa"], "response_type": "code", "scope": scope,
    }
    agent = Agent()
    url, _ = agent.open(f"{site['issuer']}/authorize?{urllib.parse.urlencode(query)}")
    assert "/interaction/" in url
    url, _ = agent.open(url, {"prompt": "login", "login": "ada", "password": "any"})
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["code"][0]
    _, answer = agent.open(f"{site['issuer']}/oauth/token", {
        "client_id": spa_constant("clientId"), "code": code, "code_verifier": verifier.decode(),
        "grant_type": "authorization_code", "redirect_uri": site["spa"],
    })
    return json.loads(answer)["access_token"]


def test_the_page_is_served(site):
    status, page = get(site["spa"])
    assert status == 200 and "app.js" in page
    assert get(f"{site['spa']}/auth0-spa-js.js")[0] == 200


def test_a_token_of_the_provider_is_accepted(site):
    scoped = f"{site['api']}/api/private-scoped"
    assert get(scoped)[0] == 401
    bearer = {"Authorization": f"Bearer {sign_in(site, 'openid profile email')}", "Origin": site["spa"]}
    assert get(f"{site['api']}/api/private", bearer)[0] == 200
    assert get(scoped, bearer)[0] == 403
    bearer["Authorization"] = f"Bearer {sign_in(site, 'openid read:messages')}"
    with urllib.request.urlopen(urllib.request.Request(scoped, headers=bearer)) as response:
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == site["spa"]
