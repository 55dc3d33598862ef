// oidc-client-ts, which learns everything from the discovery document.
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

/** A page with a client in `window.manager`. */
async function openClient(page, scope) {
  await page.goto(`http://localhost:${clients.address().port}/`);
  await page.evaluate(([authority, scope]) => {
    window.manager = new oidc.UserManager({
      authority,
      scope,
      client_id: "oidc-client",
      redirect_uri: `${location.origin}/`,
      silent_redirect_uri: `${location.origin}/silent`,
      post_logout_redirect_uri: `${location.origin}/bye`,
      extraQueryParams: { audience: "https://quickstarts/api" },
      loadUserInfo: true,
    });
  }, [`${service.issuer}/`, scope]);
}

async function signIn(page, person, scope) {
  await openClient(page, scope);
  await page.evaluate(() => void window.manager.signinRedirect());
  await choose(page, person);
  await page.waitForURL(/[?&]code=/);
  const callback = page.url();
  await openClient(page, scope);
  return page.evaluate((url) => window.manager.signinRedirectCallback(url), callback);
}

for (const [way, scope] of [["its frame", "openid profile read:messages"], ["a refresh token", "openid profile offline_access read:messages"]]) {
  test(`it signs in and renews silently by ${way}`, async () => {
    const page = await freshPage(browser);
    const user = await signIn(page, "Administrator", scope);
    assert.equal(user.profile.name, "Administrator");
    assert.equal(user.scope, scope);
    const asked = page.waitForRequest((request) => (scope.includes("offline_access")
      ? request.postData()?.includes("grant_type=refresh_token")
      : request.url().includes("prompt=none")));
    const renewed = await page.evaluate(() => window.manager.signinSilent());
    await asked;
    assert.notEqual(renewed.access_token, user.access_token);
    assert.equal(renewed.profile.sub, "auth0|administrator");
    const status = await page.evaluate(async ([url, token]) => {
      return (await fetch(url, { headers: { Authorization: `Bearer ${token}` } })).status;
    }, [`${service.api}/api/private-scoped`, renewed.access_token]);
    assert.equal(status, 200);
  });
}

test("it signs out", async () => {
  const page = await freshPage(browser);
  await signIn(page, "Manager", "openid");
  await page.evaluate(() => void window.manager.signoutRedirect({ state: "x" }));
  await page.waitForURL((url) => url.pathname === "/bye" && url.searchParams.has("state"));
  await openClient(page, "openid");
  await assert.rejects(page.evaluate(() => window.manager.signinSilent()), /login required/i);
});

test("it gives its tokens back", async () => {
  const page = await freshPage(browser);
  const user = await signIn(page, "Manager", "openid offline_access");
  const refused = await page.evaluate(async (token) => {
    await window.manager.revokeTokens(["refresh_token"]);
    const client = new oidc.OidcClient(window.manager.settings);
    return client.useRefreshToken({ state: { refresh_token: token, profile: {} } }).catch((error) => error.message);
  }, user.refresh_token);
  assert.match(refused, /invalid refresh token/);
});
