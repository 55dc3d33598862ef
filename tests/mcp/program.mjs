// The example examples/mcp, as `cargo run` starts it, on free ports.
import { fileURLToPath } from "node:url";

import { startService } from "../browser/service.mjs";

const BUILT = new URL("../../target/debug/mcp", import.meta.url);

/** Resolves to the URL of the MCP server and a function that stops it. */
export async function startProgram(variables = {}) {
  const service = await startService(variables, process.env.MCP_PROGRAM ?? fileURLToPath(BUILT));
  return { ...service, url: new URL("/mcp", service.api) };
}
