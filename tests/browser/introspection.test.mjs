// Tokens that an OpenID provider that others wrote issues, introspects and revokes; no browser is used.
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { after, before, test } from "node:test";
import { JWT, OPAQUE, SECRET, startProvider } from "./introspecting_provider.mjs";
import { runCommand, startService } from "./service.mjs";

let provider;

before(async () => {
  provider = await startProvider();
});

after(() => provider?.stop());

/** Settings of the service, with which it introspects as the client `basic`. */
const settings = (variables = {}) => ({
  APP__AUTH__INTROSPECTION__CLIENT_ID: "basic",
  APP__AUTH__INTROSPECTION__CLIENT_SECRET: SECRET,
  APP__AUTH__STARTUP: "require",
  AUDIENCE: `${OPAQUE},${JWT}`,
  ISSUER_BASE_URL: provider.issuer,
  ...variables,
});

/** Starts the service until the end of the test. */
async function start(t, variables) {
  const service = await startService(settings(variables));
  t.after(service.stop);
  return service;
}

/** The status and the error code of a call with a token. */
async function call({ api }, token, { headers = {}, path = "/api/private", scheme = "Bearer" } = {}) {
  const response = await fetch(api + path, { headers: { Authorization: `${scheme} ${token}`, ...headers } });
  await response.body.cancel();
  const error = response.headers.get("www-authenticate")?.match(/error="(\w+)"/)?.[1];
  return { retryAfter: response.headers.get("retry-after"), seen: error ? [response.status, error] : [response.status] };
}

const seen = async (...parameters) => (await call(...parameters)).seen;

async function assertUnavailable(service, token) {
  const { retryAfter, seen } = await call(service, token);
  assert.deepEqual(seen, [503]);
  assert.match(retryAfter, /^[1-9]$/);
}

/** Repeats a call, for 10 seconds at most, until it is answered as expected. */
async function until(expected, attempt) {
  const end = Date.now() + 10_000;
  let last;
  while (Date.now() < end) {
    last = await attempt();
    if (last.join() === expected.join()) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  assert.deepEqual(last, expected);
}

const SCOPED = { path: "/api/private-scoped" };

test("an opaque token is accepted for its scopes", async (t) => {
  const service = await start(t);
  const token = await provider.issue("read:messages");
  assert.doesNotMatch(token, /\./);
  assert.deepEqual(await seen(service, token), [200]);
  assert.deepEqual(await seen(service, token, SCOPED), [200]);
  const other = await provider.issue("write:messages");
  assert.deepEqual(await seen(service, other), [200]);
  assert.deepEqual(await seen(service, other, SCOPED), [403, "insufficient_scope"]);
  assert.deepEqual(await seen(service, "never-issued"), [401, "invalid_token"]);
});

test("a token for another audience is rejected", async (t) => {
  const service = await start(t, { AUDIENCE: JWT });
  assert.deepEqual(await seen(service, await provider.issue()), [401, "invalid_token"]);
});

test("each kind of client authentication is accepted", async (t) => {
  for (const variables of [
    { CLIENT_AUTH: "client_secret_post", CLIENT_ID: "post" },
    { CLIENT_ID: "key", CLIENT_SECRET: "", PRIVATE_KEY: provider.clientKey },
    { CLIENT_ID: "key", CLIENT_SECRET: "", PRIVATE_KEY: provider.clientKey, PRIVATE_KEY_ID: "client-key" },
  ]) {
    const service = await start(t, introspection(variables));
    assert.deepEqual(await seen(service, await provider.issue()), [200], variables.CLIENT_ID);
    assert.deepEqual(await seen(service, "never-issued"), [401, "invalid_token"], variables.CLIENT_ID);
  }
});

const introspection = (variables) =>
  Object.fromEntries(Object.entries(variables).map(([name, value]) => [`APP__AUTH__INTROSPECTION__${name}`, value]));

test("rejected client credentials are no fault of the token", async (t) => {
  const service = await start(t, introspection({ CLIENT_SECRET: "another secret" }));
  await assertUnavailable(service, await provider.issue());
  const line = service.log.find((line) => line.includes("introspection:"));
  assert.match(line, /rejects the client credentials of this API \(status 401\)/);
  assert.doesNotMatch(service.log.join(), /another secret/);
});

test("signed responses can be required", async (t) => {
  const required = introspection({ SIGNED_RESPONSES: "required" });
  for (const variables of [required, { ...required, ...introspection({ CLIENT_ID: "pss" }) }]) {
    const service = await start(t, variables);
    assert.deepEqual(await seen(service, await provider.issue(), SCOPED), [200]);
    assert.deepEqual(await seen(service, "never-issued"), [401, "invalid_token"]);
  }
  const unsigned = await startProvider({ signsResponses: false });
  t.after(unsigned.stop);
  const service = await start(t, { ...required, ISSUER_BASE_URL: unsigned.issuer });
  await assertUnavailable(service, await unsigned.issue());
  assert.ok(service.log.some((line) => line.includes("the response is not signed")));
});

test("signed responses need not be requested", async (t) => {
  const service = await start(t, introspection({ SIGNED_RESPONSES: "off" }));
  assert.deepEqual(await seen(service, await provider.issue(), SCOPED), [200]);
  assert.deepEqual(await seen(service, "never-issued"), [401, "invalid_token"]);
});

test("a revoked token is rejected once its response is too old", async (t) => {
  const service = await start(t, introspection({ CACHE_MAX_AGE: "1s" }));
  const token = await provider.issue();
  assert.deepEqual(await seen(service, token), [200]);
  await provider.revoke(token);
  await until([401, "invalid_token"], () => seen(service, token));
});

test("an opaque token that is bound to a key needs a proof of this key", async (t) => {
  const service = await start(t);
  const [key, otherKey] = [1, 2].map(() => generateKeyPairSync("ec", { namedCurve: "P-256" }));
  const headers = { DPoP: proof(key, "POST", `${provider.issuer}token`) };
  const token = await provider.issue(undefined, undefined, {}, headers);
  const attempt = (key) => seen(service, token, {
    headers: { DPoP: proof(key, "GET", `${service.api}/api/private`, token) },
    scheme: "DPoP",
  });
  // Just after its start, the service asks for a nonce, because proofs may have been used before.
  await until([200], () => attempt(key));
  assert.deepEqual(await seen(service, token), [401, "invalid_token"]);
  assert.deepEqual(await attempt(otherKey), [401, "invalid_token"]);
});

/** A DPoP proof (RFC 9449 §4.2). */
function proof({ privateKey, publicKey }, htm, htu, token) {
  const ath = token && createHash("sha256").update(token).digest("base64url");
  const header = { alg: "ES256", jwk: publicKey.export({ format: "jwk" }), typ: "dpop+jwt" };
  const claims = { ath, htm, htu, iat: Math.floor(Date.now() / 1000), jti: randomUUID() };
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const signature = sign("sha256", Buffer.from(input), { dsaEncoding: "ieee-p1363", key: privateKey });
  return `${input}.${signature.toString("base64url")}`;
}

test("a JWT of the same issuer is verified here, unless all tokens are introspected", async (t) => {
  const token = await provider.issue("read:messages", JWT);
  assert.match(token, /^e.*\..*\./);
  assert.deepEqual(await seen(await start(t), token, SCOPED), [200]);
  // This provider does not store JWTs: it cannot revoke them, and says of each that it is not active.
  const all = await start(t, introspection({ TOKENS: "all" }));
  assert.deepEqual(await seen(all, token), [401, "invalid_token"]);
  assert.deepEqual(await seen(all, await provider.issue()), [200]);
});

test("a refresh token is no access token, although it is active", async (t) => {
  const refreshToken = await provider.issueRefreshToken();
  const accessToken = await provider.refresh(refreshToken);
  const response = await (await provider.introspect(refreshToken)).json();
  assert.equal(response.active, true);
  const byClient = { APP__AUTH__AUDIENCE_CLAIMS: "client_id", AUDIENCE: "basic" };
  const anyAudience = {
    APP__AUTH__ALLOW_ANY_AUDIENCE: "true",
    APP__AUTH__REQUIRED_CLAIMS: '{"client_id": "basic"}',
    AUDIENCE: undefined,
  };
  for (const variables of [{}, byClient, anyAudience]) {
    const service = await start(t, variables);
    assert.deepEqual(await seen(service, accessToken), [200], JSON.stringify(variables));
    assert.deepEqual(await seen(service, refreshToken), [401, "invalid_token"], JSON.stringify(variables));
  }
});

test("while the provider is stopped, cached tokens are accepted, and others can be sent again later", async (t) => {
  const service = await start(t);
  const [cached, other] = [await provider.issue(), await provider.issue()];
  assert.deepEqual(await seen(service, cached), [200]);
  await provider.stop();
  try {
    const begun = Date.now();
    await assertUnavailable(service, other);
    assert.ok(Date.now() - begun < 2000, "the answer is quick");
    assert.deepEqual(await seen(service, cached), [200]);
  } finally {
    await provider.start();
  }
  await until([200], () => seen(service, other));
});

test("check asks the introspection endpoint", async () => {
  const well = await runCommand(["check"], settings());
  assert.match(well.output, /its introspection endpoint answers/);
  assert.equal(well.code, 0);
  const rejected = await runCommand(["check"], settings(introspection({ CLIENT_SECRET: "another secret" })));
  assert.match(rejected.output, /tokens cannot be introspected: .*rejects the client credentials of this API \(status 401\)/);
  assert.match(rejected.output, /not every issuer can be asked about its tokens/);
  assert.equal(rejected.code, 1);
});

test("explain introspects a token", async () => {
  const accepted = await runCommand(["explain", await provider.issue()], settings());
  assert.match(accepted.output, /^ACCEPTED/);
  assert.equal(accepted.code, 0);
  const rejected = await runCommand(["explain", "never-issued"], settings());
  assert.match(rejected.output, /not active: it has expired, was revoked, or was never issued/);
  assert.equal(rejected.code, 1);
});
