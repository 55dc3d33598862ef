// The service as `cargo run` starts it, on free ports.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url);
const BINARY = process.env.SERVICE ?? fileURLToPath(new URL("target/debug/actix-resource-server", ROOT));
const cwd = fileURLToPath(ROOT);

/**
 * Resolves to the origins of the API and of the development issuer, if it is used, the lines of the log, and a function
 * that stops both. `variables` are further settings of `program`.
 */
export async function startService(variables = {}, program = BINARY) {
  const env = { ...process.env, ...variables, PORT: "0", APP__DEV_ISSUER__PORT: "0", APP__LOG__FORMAT: "text", RUST_LOG: "info" };
  const child = spawn(program, { cwd, env, stdio: ["ignore", "inherit", "pipe"] });
  await once(child, "spawn");
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  const service = { log: [], stop };
  await new Promise((resolve, reject) => {
    const lines = createInterface({ input: child.stderr });
    lines.on("line", (line) => {
      service.log.push(line);
      service.issuer ??= line.match(/tokens are issued to anybody at (http:\/\/localhost:\d+)\//)?.[1];
      service.api ??= line.match(/listening on (http:\/\/127\.0\.0\.1:\d+)/)?.[1];
      if (service.api && (service.issuer || variables.ISSUER_BASE_URL)) resolve();
    });
    lines.on("close", () => reject(new Error(`the service did not start:\n${service.log.join("\n")}`)));
  });
  return service;
}

/** Runs a command of the service to its end; resolves to its exit code and its output. */
export function runCommand(args, variables) {
  const env = { ...process.env, ...variables };
  return new Promise((resolve) => {
    execFile(BINARY, args, { cwd, env, timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, output: stdout + stderr });
    });
  });
}
