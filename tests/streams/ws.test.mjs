// The package ws, which lets its user set headers, subprotocols and Origin.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import WebSocket from "ws";

import { late, startProgram } from "./program.mjs";

let program;

before(async () => {
  program = await startProgram();
});

after(() => program?.stop());

async function opened(url, protocols, options) {
  const socket = new WebSocket(url, protocols, options);
  await once(socket, "open");
  return socket;
}

/** The status of the response to the opening handshake. */
async function rejected(url, protocols, options) {
  const socket = new WebSocket(url, protocols, options);
  socket.on("error", () => {});
  const [, response] = await once(socket, "unexpected-response");
  response.resume();
  return response.statusCode;
}

async function reply(socket, text) {
  const message = once(socket, "message");
  socket.send(text);
  return String((await message)[0]);
}

const encoded = (token) => `base64url.bearer.authorization.k8s.io.${Buffer.from(token).toString("base64url")}`;

test("the token is taken from the subprotocols in both forms", async () => {
  const token = await program.token();
  for (const [protocols, selected] of [
    [["bearer", token], "bearer"],
    [["chat.v1", "bearer", token], "chat.v1"],
    [[encoded(token), "chat.v1"], "chat.v1"],
    [["bearer", encoded(token)], "bearer"],
  ]) {
    const socket = await opened(program.chat, protocols);
    assert.equal(socket.protocol, selected);
    assert.equal(await reply(socket, "hello"), "hello");
    socket.close();
    assert.equal((await once(socket, "close"))[0], 1005);
  }
});

test("a header and a ticket open it, too, a ticket once", async () => {
  const headers = { Authorization: `Bearer ${await program.token()}` };
  const socket = await opened(program.chat, [], { headers });
  assert.equal(socket.protocol, "");
  socket.terminate();
  const url = `${program.chat}?ticket=${await program.ticket("/api/chat")}`;
  (await opened(url)).terminate();
  assert.equal(await rejected(url), 401);
});

test("rejections come before the upgrade", async () => {
  const token = await program.token();
  const other = await program.token(60, "read:news");
  assert.equal(await rejected(program.chat), 401);
  assert.equal(await rejected(program.chat, ["bearer"]), 401);
  assert.equal(await rejected(program.chat, ["bearer", "abc"]), 401);
  assert.equal(await rejected(program.chat, ["bearer", other]), 403);
  assert.equal(await rejected(program.chat, ["bearer", token], { headers: { Authorization: `Bearer ${token}` } }), 400);
  assert.equal(await rejected(program.chat, ["bearer", token], { origin: "https://evil.example" }), 403);
  const news = await program.ticket("/api/news");
  assert.equal(await rejected(`${program.chat}?ticket=${news}`), 401);
});

test("it is closed with 1008 at the end of the token, unless that is renewed", async () => {
  const token = await program.token(3);
  const renewing = await opened(program.chat, ["bearer", token]);
  const closing = await opened(program.chat, ["bearer", token]);
  assert.equal(await reply(renewing, "token abc"), "not renewed");
  assert.equal(await reply(renewing, `token ${await program.token(60)}`), "renewed");
  const [code, reason] = await once(closing, "close");
  assert.deepEqual([code, String(reason)], [1008, "access token expired"]);
  assert.ok(late(token) >= 0 && late(token) < 1000, `${late(token)} ms late`);
  assert.equal(await reply(renewing, "still here"), "still here");
  renewing.terminate();
});

test("at the end of the service it is closed with 1001", async () => {
  const ending = await startProgram({ APP__SERVER__DRAIN_DELAY: "0s", APP__SERVER__SHUTDOWN_TIMEOUT: "60s" });
  const socket = await opened(ending.chat, ["bearer", await ending.token()]);
  const closed = once(socket, "close");
  const begin = Date.now();
  await ending.stop();
  const [code, reason] = await closed;
  assert.deepEqual([code, String(reason)], [1001, "the server is shutting down"]);
  assert.ok(Date.now() - begin < 10_000, "the service waited for the stream");
});
