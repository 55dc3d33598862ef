// The service as `cargo run` starts it, on free ports.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url);
const BINARY = process.env.SERVICE ?? fileURLToPath(new URL("target/debug/actix-resource-server", ROOT));

/** Resolves to the API's and the issuer's origins, and how to stop both; `variables` are further settings of `program`. */
export async function startService(variables = {}, program = BINARY) {
  const env = { ...process.env, ...variables, PORT: "0", APP__DEV_ISSUER__PORT: "0", APP__LOG__FORMAT: "text", RUST_LOG: "info" };
  const child = spawn(program, { cwd: fileURLToPath(ROOT), env, stdio: ["ignore", "inherit", "pipe"] });
  await once(child, "spawn");
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  let api;
  let issuer;
  const lines = [];
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line);
    issuer ??= line.match(/tokens are issued to anybody at (http:\/\/localhost:\d+)\//)?.[1];
    api ??= line.match(/listening on (http:\/\/127\.0\.0\.1:\d+)/)?.[1];
    if (api && issuer) {
      child.stderr.resume();
      return { api, issuer, stop };
    }
  }
  throw new Error(`the service did not start:\n${lines.join("\n")}`);
}
