// The SDK of Auth0, an OpenID provider that others wrote, and the API: with DPoP and nonces throughout.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { freshPage, launch } from "./browser.mjs";
import { serveClients } from "./clients.mjs";
import { AUDIENCE, startProvider } from "./provider.mjs";
import { startService } from "./service.mjs";

let browser;
let clients;
let origin;
let provider;
let service;

before(async () => {
  browser = await launch();
  clients = await serveClients();
  origin = `http://localhost:${clients.address().port}`;
  provider = await startProvider(origin);
  service = await startService({
    APP__AUTH__DPOP__NONCE: "true",
    APP__AUTH__DPOP__REQUIRED: "true",
    APP__AUTH__STARTUP: "require",
    APP__CORS__ALLOWED_ORIGINS: origin,
    AUDIENCE,
    ISSUER_BASE_URL: provider.issuer,
  });
});

after(async () => {
  await browser?.close();
  clients?.close();
  provider?.server.close();
  await service?.stop();
});

/** A page with an SDK client in `window.client`, and a fetcher of it in `window.fetcher`. */
async function openClient(page) {
  await page.goto(origin);
  await page.evaluate(([domain, audience, baseUrl]) => {
    const authorizationParams = { audience, redirect_uri: `${location.origin}/`, scope: "openid read:messages" };
    window.client = new auth0.Auth0Client({ domain, clientId: "any-client", useDpop: true, authorizationParams });
    window.fetcher = window.client.createFetcher({ baseUrl, dpopNonceId: "api" });
  }, [provider.issuer.slice(0, -1), AUDIENCE, service.api]);
}

async function signIn(page) {
  await openClient(page);
  await page.evaluate(() => window.client.loginWithRedirect());
  await page.waitForURL(/[?&]code=/);
  const callback = page.url();
  await openClient(page);
  await page.evaluate((url) => window.client.handleRedirectCallback(url), callback);
}

const call = (page, path) => page.evaluate(async (path) => {
  const response = await window.fetcher.fetchWithAuth(path);
  return { status: response.status, body: await response.json() };
}, path);

test("somebody signs in, and calls the API with proofs that carry its nonce", async () => {
  const page = await freshPage(browser);
  await signIn(page);
  const statuses = [];
  page.on("response", (response) => {
    const isCall = response.url().startsWith(service.api) && response.request().method() === "GET";
    if (isCall) statuses.push(response.status());
  });
  for (const path of ["/api/private", "/api/private-scoped"]) {
    const { status, body } = await call(page, path);
    assert.equal(status, 200, JSON.stringify(body));
    assert.match(body.message, /Your access token is valid/);
  }
  assert.deepEqual(statuses, [401, 200, 200], "the nonce is asked for once");
});

test("who overhears a call can neither repeat it nor bear its token", async () => {
  const page = await freshPage(browser);
  await signIn(page);
  await call(page, "/api/private");
  const overheard = page.waitForRequest((request) => request.url().startsWith(service.api) && request.method() === "GET");
  assert.equal((await call(page, "/api/private")).status, 200);
  const { authorization, dpop } = await (await overheard).allHeaders();
  const [scheme, token] = authorization.split(" ");
  assert.equal(scheme, "DPoP");
  const attempts = [
    { authorization, dpop },
    { authorization },
    { authorization: `Bearer ${token}` },
  ];
  const answers = attempts.map(async (headers) => {
    const response = await fetch(`${service.api}/api/private`, { headers });
    return [response.status, response.headers.get("www-authenticate").match(/error="(\w+)"/)?.[1]];
  });
  assert.deepEqual(await Promise.all(answers), [[401, "invalid_dpop_proof"], [400, "invalid_request"], [401, undefined]]);
});
