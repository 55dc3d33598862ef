"""Prints what a client sends: a line for each request."""

import json
from urllib.parse import parse_qs, urlsplit


async def on_response(response):
    request = response.request
    version = request.headers.get("mcp-protocol-version")
    parts = [request.method, request.url.path, response.status_code, version and f"version={version}"]
    print("sent", *filter(None, parts + parameters(request)), flush=True)


def parameters(request):
    try:
        body = request.content.decode()
    except Exception:
        return []
    if "json" in request.headers.get("content-type", ""):
        message = json.loads(body)
        scope = message.get("scope")
        tool = (message.get("params") or {}).get("name")
        return [message.get("method"), tool, scope and f"scope={scope}"]
    return named(body)


def named(query):
    """The parameters that say what a token is for."""
    pairs = parse_qs(query)
    return [f"{name}={pairs[name][0]}" for name in ("grant_type", "resource", "scope") if name in pairs]


def authorization(url):
    split = urlsplit(url)
    print("sent GET", split.path, *named(split.query), flush=True)
