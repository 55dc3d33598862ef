// A page with nothing on it but the client libraries as npm installed them, for tests to use.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const LIBRARIES = {
  "/auth0.js": "node_modules/@auth0/auth0-spa-js/dist/auth0-spa-js.production.js",
  "/oidc.js": "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js",
};
const SCRIPTS = Object.keys(LIBRARIES).map((path) => `<script src="${path}"></script>`);
const PAGE = `<!DOCTYPE html><title>client</title><link rel="icon" href="data:,">${SCRIPTS.join("")}`;
/** Where oidc-client-ts lets the issuer lead its iframe. */
const SILENT_PAGE = `${PAGE}<script>new oidc.UserManager({ authority: "-", client_id: "-", redirect_uri: "-" }).signinSilentCallback()</script>`;

/** Listens on every address of `localhost`, at any free port. */
export function serveClients() {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname in LIBRARIES) {
      response.setHeader("Content-Type", "text/javascript; charset=utf-8");
      return response.end(await readFile(new URL(LIBRARIES[pathname], import.meta.url)));
    }
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(pathname === "/silent" ? SILENT_PAGE : PAGE);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}
