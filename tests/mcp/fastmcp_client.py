"""The package fastmcp, unmodified: from a bare 401 to a tool, and through a step-up to another one.

It opens the program in the variable BROWSER, and listens for the redirect.
"""

import asyncio
import sys

import httpx2
from fastmcp import Client
from fastmcp.client.auth import OAuth
from fastmcp.client.transports import StreamableHttpTransport

from recording import on_response


def recorded(**options):
    client = httpx2.AsyncClient(**options)
    client.event_hooks = {"response": [on_response]}
    return client


async def main(url):
    auth = OAuth(callback_host="127.0.0.1", callback_timeout=20)
    transport = StreamableHttpTransport(url, auth=auth, httpx_client_factory=recorded)
    async with Client(transport) as client:
        tools = [tool.name for tool in await client.list_tools()]
        assert tools == ["list_notes", "add_note", "whoami"], tools
        assert await text(client, "list_notes", {}) == ""
        assert await text(client, "add_note", {"text": "water the plants"}) == "added"
        assert await text(client, "list_notes", {}) == "water the plants"


async def text(client, tool, arguments):
    return (await client.call_tool(tool, arguments)).content[0].text


asyncio.run(main(sys.argv[1]))
