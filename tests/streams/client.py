"""PyPI's websockets against examples/streams.rs; prints what happened as JSON."""

import asyncio
import json
import sys
import time

import websockets
from websockets.asyncio.client import connect


async def rejected(url, **options):
    """The status of the response to the opening handshake."""
    try:
        async with connect(url, **options):
            return "accepted"
    except websockets.exceptions.InvalidStatus as error:
        return error.response.status_code


async def main(url, token, ticket, expiring, expires_at):
    seen = {}
    async with connect(url, subprotocols=["bearer", token]) as socket:
        await socket.send("hello")
        seen["subprotocol"] = [socket.subprotocol, await socket.recv()]
    async with connect(f"{url}?ticket={ticket}") as socket:
        await socket.send("hello")
        seen["ticket"] = [socket.subprotocol, await socket.recv()]
    seen["used_ticket"] = await rejected(f"{url}?ticket={ticket}")
    seen["no_token"] = await rejected(url)
    seen["foreign_origin"] = await rejected(url, subprotocols=["bearer", token], origin="https://evil.example")
    async with connect(url, subprotocols=["bearer", expiring]) as socket:
        try:
            await socket.recv()
        except websockets.exceptions.ConnectionClosed as closed:
            seen["expired"] = [closed.rcvd.code, closed.rcvd.reason]
            seen["late"] = time.time() - expires_at
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:5], float(sys.argv[5])))
