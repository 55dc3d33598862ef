// The SDK of Auth0 with tokens that are bound to a key of the browser (RFC 9449), nonces included.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { choose, freshPage, launch } from "./browser.mjs";
import { serveClients } from "./clients.mjs";
import { startService } from "./service.mjs";

let browser;
let clients;
let service;

before(async () => {
  browser = await launch();
  service = await startService({ APP__DEV_ISSUER__DPOP_NONCE: "true", APP__AUTH__DPOP__NONCE: "true" });
  clients = await serveClients();
});

after(async () => {
  clients?.close();
  await browser?.close();
  await service?.stop();
});

/** A page with an SDK client in `window.client`, and a fetcher of it in `window.fetcher`. */
async function openClient(page, options) {
  await page.goto(`http://localhost:${clients.address().port}/`);
  await page.evaluate(([domain, baseUrl, options]) => {
    const authorizationParams = { audience: "https://quickstarts/api", redirect_uri: location.origin, scope: "openid profile email read:messages" };
    window.client = new auth0.Auth0Client({ domain, clientId: "any-client", useDpop: true, authorizationParams, ...options });
    window.fetcher = window.client.createFetcher({ baseUrl, dpopNonceId: "api" });
  }, [service.issuer, service.api, options]);
}

/** Signs in by redirect, and says what the token endpoint answered meanwhile. */
async function signIn(page, options = {}) {
  await openClient(page, options);
  const asked = page.waitForRequest((request) => request.url().includes("/authorize?"));
  await page.evaluate(() => window.client.loginWithRedirect());
  const { searchParams } = new URL((await asked).url());
  await choose(page, "Manager");
  await page.waitForURL(/[?&]code=/);
  const callback = page.url();
  await openClient(page, options);
  const answers = [];
  page.on("response", (response) => {
    const isAnswer = response.url().endsWith("/oauth/token") && response.request().method() === "POST";
    if (isAnswer) answers.push(response.status());
  });
  await page.evaluate((url) => window.client.handleRedirectCallback(url), callback);
  return { answers, jkt: searchParams.get("dpop_jkt") };
}

const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
const freshToken = (page) => page.evaluate(() => window.client.getTokenSilently({ cacheMode: "off", detailedResponse: true }));

test("a token is bound to the key that was named at sign-in, once the nonce is known", async () => {
  const page = await freshPage(browser);
  const { answers, jkt } = await signIn(page);
  assert.deepEqual(answers, [400, 200]);
  const { access_token, token_type } = await freshToken(page);
  assert.equal(token_type, "DPoP");
  assert.match(jkt, /^[\w-]{43}$/);
  assert.deepEqual(claims(access_token).cnf, { jkt });
  assert.deepEqual(answers, [400, 200, 200], "the nonce still serves");
});

test("a refresh token renews with the same key", async () => {
  const page = await freshPage(browser);
  const { jkt } = await signIn(page, { useRefreshTokens: true, cacheLocation: "localstorage" });
  const [one, two] = [await freshToken(page), await freshToken(page)];
  assert.notEqual(one.access_token, two.access_token);
  assert.deepEqual(claims(two.access_token).cnf, { jkt });
});

test("the API takes a bound token with a proof, and rejects it without one", async () => {
  const page = await freshPage(browser);
  await signIn(page);
  const seen = [];
  page.on("response", (response) => {
    const isCall = response.url().startsWith(service.api) && response.request().method() === "GET";
    if (isCall) seen.push(response.status());
  });
  const call = (path) => page.evaluate(async (path) => {
    const response = await window.fetcher.fetchWithAuth(path);
    return [response.status, (await response.json()).message];
  }, path);
  const [status, message] = await call("/api/private");
  assert.equal(status, 200, message);
  assert.deepEqual(seen, [401, 200], "a nonce is asked for and given");
  assert.deepEqual((await call("/api/private-scoped"))[0], 200);
  assert.deepEqual(seen, [401, 200, 200], "the nonce still serves");

  const { access_token } = await page.evaluate(() => window.client.getTokenSilently({ detailedResponse: true }));
  const stolen = await fetch(`${service.api}/api/private`, { headers: { Authorization: `Bearer ${access_token}` } });
  assert.equal(stolen.status, 401);
  assert.match(stolen.headers.get("WWW-Authenticate"), /error="invalid_token"/);
});

test("the Test view repeats the nonces that are asked for", async () => {
  const page = await freshPage(browser);
  await page.goto(service.issuer);
  await page.getByRole("checkbox", { name: "Bind it to a key" }).check();
  await page.getByRole("button", { name: "Get a token" }).click();
  await page.getByRole("row", { name: /^cnf/ }).waitFor();
  await page.getByRole("button", { name: "GET /api/private", exact: true }).click();
  await page.getByText("200 OK").waitFor();
});

test("the issuer says who signed in to the one who proves to have the key", async () => {
  const page = await freshPage(browser);
  await signIn(page);
  const userinfo = `${service.issuer}/userinfo`;
  const user = await page.evaluate(async (url) => {
    const issuer = window.client.createFetcher({ dpopNonceId: "issuer" });
    return (await issuer.fetchWithAuth(url)).json();
  }, userinfo);
  assert.equal(user.email, "manager@example.com");
  const { access_token } = await page.evaluate(() => window.client.getTokenSilently({ detailedResponse: true }));
  const stolen = await fetch(userinfo, { headers: { Authorization: `Bearer ${access_token}` } });
  assert.equal(stolen.status, 401);
});
