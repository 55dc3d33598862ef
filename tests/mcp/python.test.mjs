// The clients of Python, unmodified; each is a program that fails where a tool does not respond as it should.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { startProgram } from "./program.mjs";
import { startProvider } from "./provider.mjs";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const PYTHON = process.env.MCP_PYTHON ?? "python3";

function run(script, url) {
  const env = { ...process.env, BROWSER: `${PYTHON} ${FOLDER}sign_in.py %s &` };
  return new Promise((resolve) => {
    execFile(PYTHON, [`${FOLDER}${script}`, url.href], { cwd: FOLDER, env, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ failed: error !== null, stdout, stderr });
    });
  });
}

async function usesTools(t, script, variables, registration) {
  const program = await startProgram(variables);
  t.after(program.stop);
  const { failed, stdout, stderr } = await run(script, program.url);
  const lines = stdout.split("\n").filter((line) => line.startsWith("sent "));
  lines.forEach((line) => t.diagnostic(line));
  assert.ok(!failed, stderr);
  assert.match(lines[0], /POST \/mcp 401/);
  assert.equal(lines.filter((line) => /POST \/mcp 403/.test(line)).length, 1);
  assert.ok(lines.some((line) => line.startsWith(`sent POST ${registration} 201`)));
}

for (const script of ["mcp_client.py", "fastmcp_client.py"]) {
  test(`${script} signs in and steps up at the development issuer`, async (t) => {
    await usesTools(t, script, {}, "/oidc/register");
  });

  test(`${script} signs in and steps up at oidc-provider`, async (t) => {
    const provider = await startProvider();
    t.after(provider.stop);
    const variables = { ISSUER_BASE_URL: provider.issuer, AUDIENCE: provider.audience };
    await usesTools(t, script, variables, "/reg");
  });
}
