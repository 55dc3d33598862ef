// Users log out at an OpenID provider that others wrote, and their access tokens end.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startService } from "../browser/service.mjs";
import { AUDIENCE, startProvider, Visitor } from "./provider.mjs";

let provider;
let service;

before(async () => {
  provider = await startProvider();
  service = await startService({
    APP__AUTH__EVENT_AUDIENCE: "sessions, users",
    APP__AUTH__MAX_TOKEN_AGE: "2h",
    APP__AUTH__STARTUP: "require",
    APP__REVOCATION__ENABLED: "true",
    AUDIENCE,
    ISSUER_BASE_URL: provider.issuer,
  });
  provider.deliverTo(`${service.api}/events/logout`);
});

after(async () => {
  await service?.stop();
  provider?.stop();
});

async function call({ access_token: token }) {
  const response = await fetch(`${service.api}/api/private`, { headers: { authorization: `Bearer ${token}` } });
  await response.arrayBuffer();
  return { status: response.status, challenge: response.headers.get("www-authenticate") };
}

/** Logs out; resolves to the time until the token was rejected, in milliseconds. */
async function logOut(visitor, tokens) {
  const begun = performance.now();
  const response = await visitor.logOut(tokens.id_token);
  assert.equal(response.status, 303);
  const { status, challenge } = await call(tokens);
  const taken = performance.now() - begun;
  assert.deepEqual(provider.errors, []);
  assert.equal(status, 401);
  assert.match(challenge, /error="invalid_token", error_description="The token has been revoked\."/);
  return taken;
}

test("a logout with the session ends the tokens of the session alone", async (t) => {
  const [visitor, elsewhere] = [new Visitor(provider.issuer, "ada"), new Visitor(provider.issuer, "ada")];
  const tokens = await visitor.signIn("sessions");
  const others = await elsewhere.signIn("sessions");
  for (let number = 0; number < 3; number += 1) assert.equal((await call(tokens)).status, 200);
  const taken = await logOut(visitor, tokens);
  t.diagnostic(`from the click to the 401: ${taken.toFixed(1)} ms`);
  assert.ok(taken < 1000, `${taken} ms`);
  assert.equal((await call(others)).status, 200);
});

test("a logout without the session ends the tokens of the user, until the next sign-in", async (t) => {
  const [visitor, elsewhere] = [new Visitor(provider.issuer, "eva"), new Visitor(provider.issuer, "eva")];
  const tokens = await visitor.signIn("users");
  const others = await elsewhere.signIn("users");
  const another = await new Visitor(provider.issuer, "joe").signIn("users");
  assert.equal((await call(tokens)).status, 200);
  const taken = await logOut(visitor, tokens);
  t.diagnostic(`from the click to the 401: ${taken.toFixed(1)} ms`);
  assert.ok(taken < 1000, `${taken} ms`);
  assert.equal((await call(others)).status, 401);
  assert.equal((await call(another)).status, 200);
  // A token of the second of the logout is revoked, too.
  await new Promise((resolve) => {
    setTimeout(resolve, 1000);
  });
  assert.equal((await call(await visitor.signIn("users"))).status, 200);
});
