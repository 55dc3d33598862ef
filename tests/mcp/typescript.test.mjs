// The SDKs of TypeScript, unmodified: from a bare 401 to a tool, and through a step-up to another one.
import assert from "node:assert/strict";
import { test } from "node:test";

import * as modern from "@modelcontextprotocol/client";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { startProgram } from "./program.mjs";
import { startProvider } from "./provider.mjs";
import { recording } from "./record.mjs";
import { User } from "./user.mjs";

const SDKS = {
  "@modelcontextprotocol/sdk": { Client, StreamableHTTPClientTransport, UnauthorizedError },
  "@modelcontextprotocol/client": modern,
};

/** Calls a tool; where the SDK asks for a sign-in, finishes it and calls again. Resolves to the text of the result. */
async function withSignIn(sdk, connection, act) {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof sdk.UnauthorizedError)) throw error;
    const { code, iss } = Object.fromEntries(connection.user.response);
    await connection.finish(code, iss);
    return act();
  }
}

async function connect(sdk, url) {
  const lines = [];
  const user = new User(lines);
  const connection = { lines, user };
  const open = async () => {
    const client = new sdk.Client({ name: "test", version: "1" });
    const transport = new sdk.StreamableHTTPClientTransport(url, { authProvider: user, fetch: recording(lines) });
    connection.finish = (code, iss) => transport.finishAuth(code, iss);
    await client.connect(transport);
    return client;
  };
  connection.client = await withSignIn(sdk, connection, open);
  connection.call = async (name, args = {}) => {
    const call = () => connection.client.callTool({ name, arguments: args });
    const { content } = await withSignIn(sdk, connection, call);
    return content[0].text;
  };
  return connection;
}

async function usesTools(sdk, url) {
  const connection = await connect(sdk, url);
  const { tools } = await connection.client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), ["list_notes", "add_note", "whoami"]);
  assert.equal(await connection.call("list_notes"), "");
  assert.deepEqual(scopes(connection), ["notes:read"]);
  assert.equal(await connection.call("add_note", { text: "water the plants" }), "added");
  assert.deepEqual(scopes(connection), ["notes:read", "notes:write"]);
  assert.equal(await connection.call("list_notes"), "water the plants");
  await connection.client.close();
  return connection.lines;
}

/** The scopes of the API that the token has; some SDKs request `offline_access` too. */
function scopes({ user }) {
  return user.saved.scope.split(" ").filter((scope) => scope.startsWith("notes:")).sort();
}

for (const [name, sdk] of Object.entries(SDKS)) {
  test(`${name} signs in and steps up at the development issuer`, async (t) => {
    const program = await startProgram();
    t.after(program.stop);
    const lines = await usesTools(sdk, program.url);
    lines.forEach((line) => t.diagnostic(line));
    assert.match(lines[0], /^POST \/mcp 401/);
    assert.equal(lines.filter((line) => /^POST \/mcp 403/.test(line)).length, 1);
    assert.ok(lines.some((line) => line.startsWith("GET /.well-known/oauth-protected-resource/mcp 200")));
    assert.ok(lines.some((line) => line.startsWith("POST /oidc/register 201")));
  });

  test(`${name} signs in and steps up at an independent provider`, async (t) => {
    const provider = await startProvider();
    t.after(provider.stop);
    const program = await startProgram({ ISSUER_BASE_URL: provider.issuer, AUDIENCE: provider.audience });
    t.after(program.stop);
    const lines = await usesTools(sdk, program.url);
    lines.forEach((line) => t.diagnostic(line));
    assert.equal(lines.filter((line) => /^POST \/mcp 403/.test(line)).length, 1);
  });
}
