// PyPI's websockets.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

import { late, startProgram } from "./program.mjs";

test("websockets of Python opens, is rejected and is closed", async () => {
  const program = await startProgram();
  try {
    const expiring = await program.token(8);
    const expiresAt = (Date.now() - late(expiring)) / 1000;
    const script = new URL("client.py", import.meta.url).pathname;
    const ticket = await program.ticket("/api/chat");
    const args = [script, program.chat, await program.token(), ticket, expiring, String(expiresAt)];
    const { stdout } = await promisify(execFile)(process.env.STREAMS_PYTHON, args, { timeout: 60_000 });
    const { late: seconds, ...seen } = JSON.parse(stdout);
    assert.deepEqual(seen, {
      subprotocol: ["bearer", "hello"],
      ticket: [null, "hello"],
      used_ticket: 401,
      no_token: 401,
      foreign_origin: 403,
      expired: [1008, "access token expired"],
    });
    assert.ok(seconds > -0.1 && seconds < 1, `${seconds} s late`);
  } finally {
    await program.stop();
  }
});
