"""The package mcp, unmodified: from a bare 401 to a tool, and through a step-up to another one."""

import asyncio
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from recording import authorization, on_response
from sign_in import sign_in

REDIRECT_URI = "http://127.0.0.1:47998/callback"


class Memory:
    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class User:
    async def open(self, url):
        authorization(url)
        self.query = parse_qs(urlsplit(await asyncio.to_thread(sign_in, url)).query)

    async def result(self):
        code, state, iss = (self.query[name][0] for name in ("code", "state", "iss"))
        return AuthorizationCodeResult(code=code, state=state, iss=iss)


async def main(url):
    user, memory = User(), Memory()
    metadata = OAuthClientMetadata(
        client_name="A test", redirect_uris=[REDIRECT_URI], token_endpoint_auth_method="none"
    )
    auth = OAuthClientProvider(url, metadata, memory, user.open, user.result)
    hooks = {"response": [on_response]}
    async with httpx2.AsyncClient(auth=auth, event_hooks=hooks) as http:
        async with Client(streamable_http_client(url, http_client=http)) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            assert tools == ["list_notes", "add_note", "whoami"], tools
            assert await text(client, "list_notes", {}) == ""
            assert "notes:write" not in memory.tokens.scope, memory.tokens.scope
            assert await text(client, "add_note", {"text": "water the plants"}) == "added"
            assert "notes:write" in memory.tokens.scope, memory.tokens.scope
            assert await text(client, "list_notes", {}) == "water the plants"


async def text(client, tool, arguments):
    return (await client.call_tool(tool, arguments)).content[0].text


asyncio.run(main(sys.argv[1]))
