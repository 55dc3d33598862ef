// Serves this folder's page, and the SDK as npm installed it.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const FILES = {
  "/": ["index.html", "text/html"],
  "/app.js": ["app.js", "text/javascript"],
  "/config.js": ["config.js", "text/javascript"],
  "/style.css": ["style.css", "text/css"],
  "/auth0-spa-js.js": ["node_modules/@auth0/auth0-spa-js/dist/auth0-spa-js.production.esm.js", "text/javascript"],
};

/** Listens on loopback, or on another host; port 0 is any free one. */
export function serve(port, host = "localhost") {
  const server = createServer(async (request, response) => {
    const file = FILES[new URL(request.url, "http://localhost").pathname];
    if (!file) return response.writeHead(404).end();
    const [path, type] = file;
    const text = await readFile(new URL(path, import.meta.url));
    response.writeHead(200, { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-store" }).end(text);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, host, () => resolve(server));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await serve(Number(process.env.PORT ?? 5173), process.env.HOST);
  console.log(`http://localhost:${server.address().port}/`);
}
