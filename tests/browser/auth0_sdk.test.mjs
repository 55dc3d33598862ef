// The SDK of Auth0 in the ways that the example app does not use it.
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
  service = await startService();
  clients = await serveClients();
});

after(async () => {
  clients?.close();
  await browser?.close();
  await service?.stop();
});

/** A page with an SDK client in `window.client`. */
async function openClient(page, options = {}, host = "localhost") {
  await page.goto(`http://${host}:${clients.address().port}/`);
  await page.evaluate(([domain, options]) => {
    const authorizationParams = { audience: "https://quickstarts/api", redirect_uri: location.origin, scope: "openid profile email read:messages" };
    window.client = new auth0.Auth0Client({ domain, clientId: "any-client", authorizationParams, ...options });
  }, [service.issuer, options]);
}

/** Signs in by redirect; the page comes back with a code, and a new client takes it. */
async function signIn(page, person, options, host) {
  await openClient(page, options, host);
  await page.evaluate(() => window.client.loginWithRedirect());
  await choose(page, person);
  await page.waitForURL(/[?&]code=/);
  const callback = page.url();
  await openClient(page, options, host);
  await page.evaluate((url) => window.client.handleRedirectCallback(url), callback);
}

const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

test("refresh tokens renew, rotate, and end when one is used twice", async () => {
  const page = await freshPage(browser);
  const options = { useRefreshTokens: true, cacheLocation: "localstorage" };
  await signIn(page, "Manager", options);
  const fresh = () => page.evaluate(() => window.client.getTokenSilently({ cacheMode: "off" }));
  const stored = () => page.evaluate(() => Object.values(localStorage).map((text) => JSON.parse(text).body?.refresh_token).find(Boolean));
  const first = await stored();
  const [one, two] = [await fresh(), await fresh()];
  assert.notEqual(one, two);
  assert.equal(claims(two).scope, "openid profile email offline_access read:messages");
  assert.notEqual(await stored(), first);
  const reused = await page.evaluate(async ([issuer, token]) => {
    const body = new URLSearchParams({ grant_type: "refresh_token", client_id: "any-client", refresh_token: token });
    return (await fetch(`${issuer}/oauth/token`, { method: "POST", body })).json();
  }, [service.issuer, first]);
  assert.equal(reused.error, "invalid_grant");
  assert.match(reused.error_description, /invalid refresh token/);
  await assert.rejects(fresh(), /invalid refresh token/);
});

test("a lost refresh token is replaced by way of the session", async () => {
  const page = await freshPage(browser);
  const options = { useRefreshTokens: true, useRefreshTokensFallback: true };
  await signIn(page, "Administrator", options);
  await openClient(page, options);
  await page.evaluate(() => window.client.checkSession());
  const user = await page.evaluate(() => window.client.getUser());
  assert.equal(user.name, "Administrator");
});

test("a popup posts its answer to the page that opened it", async () => {
  const page = await freshPage(browser);
  await openClient(page);
  const popup = page.waitForEvent("popup");
  const signedIn = page.evaluate(async () => {
    await window.client.loginWithPopup();
    return window.client.getUser();
  });
  await choose(await popup, "Manager");
  assert.deepEqual(await signedIn, {
    sub: "auth0|manager",
    name: "Manager",
    nickname: "manager",
    email: "manager@example.com",
    email_verified: true,
  });
});

test("an age that is too old asks again, and the ID token says when somebody signed in", async () => {
  const page = await freshPage(browser);
  await signIn(page, "Manager");
  await page.evaluate(() => window.client.loginWithRedirect({ authorizationParams: { max_age: 0 } }));
  await choose(page, "Manager");
  await page.waitForURL(/[?&]code=/);
  await signIn(page, "Manager", { authorizationParams: { redirect_uri: page.url().split("?")[0], max_age: 0 } });
  const { auth_time } = await page.evaluate(() => window.client.getIdTokenClaims());
  assert.ok(Math.abs(Date.now() / 1000 - auth_time) < 60, String(auth_time));
});

test("signing out ends the session of the browser", async () => {
  const page = await freshPage(browser);
  await signIn(page, "Manager");
  await Promise.all([
    page.waitForURL((url) => url.pathname === "/bye"),
    page.evaluate(() => window.client.logout({ logoutParams: { returnTo: `${location.origin}/bye` } })),
  ]);
  await openClient(page);
  await assert.rejects(page.evaluate(() => window.client.getTokenSilently()), /login required/i);
});

test("another site is signed in by redirect, but not silently", async () => {
  const page = await freshPage(browser);
  await signIn(page, "Manager", {}, "127.0.0.1");
  assert.equal((await page.evaluate(() => window.client.getUser())).name, "Manager");
  await assert.rejects(page.evaluate(() => window.client.getTokenSilently({ cacheMode: "off" })), /login required/i);
});

test("a foreign name that leads to this machine is not answered", async () => {
  const page = await freshPage(browser);
  const { port } = new URL(service.issuer);
  const response = await page.goto(`http://rebound.example:${port}/`);
  assert.equal(response.status(), 421);
});
