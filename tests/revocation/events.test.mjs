// Security events that an independent library signs: accepted, and forged, replayed, foreign and malformed ones.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startService } from "../browser/service.mjs";
import { SESSION_REVOKED, startIssuer } from "./issuer.mjs";
import { AUDIENCE } from "./provider.mjs";

let issuer;
let service;

before(async () => {
  issuer = await startIssuer();
  service = await startService({
    APP__AUTH__EVENT_AUDIENCE: "client",
    APP__AUTH__MAX_TOKEN_AGE: "1h",
    APP__AUTH__STARTUP: "require",
    APP__REVOCATION__ENABLED: "true",
    AUDIENCE,
    ISSUER_BASE_URL: issuer.url,
  });
});

after(async () => {
  await service?.stop();
  issuer?.stop();
});

async function call(token) {
  const response = await fetch(`${service.api}/api/private`, { headers: { authorization: `Bearer ${token}` } });
  await response.arrayBuffer();
  return response.status;
}

async function push(token) {
  const headers = { "content-type": "application/secevent+jwt", accept: "application/json" };
  const response = await fetch(`${service.api}/events/security`, { method: "POST", headers, body: token });
  const text = await response.text();
  return { status: response.status, err: text ? JSON.parse(text).err : undefined };
}

async function metric(name) {
  const text = await (await fetch(`${service.api}/metrics`)).text();
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  assert.ok(line, name);
  return Number(line.split(" ")[1]);
}

const counted = (outcome) => metric(`ars_security_events_total{kind="security_event",outcome="${outcome}"}`);

test("an event revokes at once, and only once", async (t) => {
  const [token, other] = await Promise.all([issuer.accessToken("ada"), issuer.accessToken("eva")]);
  assert.equal(await call(token), 200);
  const event = await issuer.event("ada");
  const begun = performance.now();
  assert.deepEqual(await push(event), { status: 202, err: undefined });
  assert.equal(await call(token), 401);
  t.diagnostic(`from the event to the 401: ${(performance.now() - begun).toFixed(1)} ms`);
  assert.equal(await call(other), 200);
  for (let number = 0; number < 3; number += 1) assert.equal((await push(event)).status, 202);
  assert.equal(await metric("ars_revocations_total"), 1);
  assert.equal(await counted("repeated"), 3);
});

test("each kind of subject is understood", async () => {
  const opaque = (id) => ({ format: "opaque", id });
  for (const [claims, subject] of [
    [{ sid: "s1" }, { format: "complex", user: opaque("joe"), session: opaque("s1") }],
    [{ jti: "j1" }, { format: "jwt_id", iss: issuer.url, jti: "j1" }],
    [{ sub: "max" }, opaque("max")],
  ]) {
    const token = await issuer.accessToken("joe", claims);
    const other = await issuer.accessToken("joe", { sid: "s2" });
    assert.equal(await call(token), 200);
    assert.equal((await push(await issuer.event("", { claims: { sub_id: subject } }))).status, 202);
    assert.equal(await call(token), 401);
    assert.equal(await call(other), 200);
  }
});

test("forged, foreign and malformed events change nothing", async () => {
  const token = await issuer.accessToken("kim");
  assert.equal(await call(token), 200);
  const before = await metric("ars_revocations_total");
  const now = Math.floor(Date.now() / 1000);
  const foreign = { format: "iss_sub", iss: "https://other.example", sub: "kim" };
  const good = await issuer.event("kim");
  const [header, payload, signature] = good.split(".");
  const none = Buffer.from(JSON.stringify({ alg: "none", typ: "secevent+jwt" })).toString("base64url");
  const of = (claims) => issuer.event("kim", { claims });
  for (const [event, err] of [
    [issuer.event("kim", { key: issuer.foreignKey }), "authentication_failed"],
    [`${header}.${payload}.${signature.slice(0, -4)}AAAA`, "authentication_failed"],
    [`${none}.${payload}.`, "invalid_key"],
    [of({ iss: "https://other.example" }), "invalid_issuer"],
    [of({ aud: "other" }), "invalid_audience"],
    [of({ aud: AUDIENCE }), "invalid_audience"],
    [of({ sub_id: foreign }), "invalid_request"],
    [of({ sub_id: { format: "email", email: "kim@example.com" } }), "invalid_request"],
    [of({ sub_id: undefined }), "invalid_request"],
    [of({ events: undefined }), "invalid_request"],
    [of({ events: {} }), "invalid_request"],
    [of({ events: { [SESSION_REVOKED]: "now" } }), "invalid_request"],
    [of({ jti: undefined }), "invalid_request"],
    [of({ iat: now - 4000 }), "invalid_request"],
    [of({ iat: now + 60 }), "invalid_request"],
    [of({ events: { [SESSION_REVOKED]: { event_timestamp: now + 60 } } }), "invalid_request"],
    [issuer.event("kim", { header: { typ: "JWT" } }), "invalid_request"],
    [issuer.event("kim", { header: { typ: "logout+jwt" } }), "invalid_request"],
    [token, "invalid_request"],
    ["", "invalid_request"],
    [`${payload}.${payload}`, "invalid_request"],
  ]) {
    assert.deepEqual(await push(await event), { status: 400, err }, await event);
  }
  assert.equal(await call(token), 200);
  assert.equal(await metric("ars_revocations_total"), before);
  assert.equal(await call(good), 401, "no event is an access token");
});

/** The time in which 99 % of `number` requests with a valid token are answered, in milliseconds. */
async function latency(token, number) {
  const times = [];
  for (let at = 0; at < number; at += 1) {
    const begun = performance.now();
    assert.equal(await call(token), 200);
    times.push(performance.now() - begun);
  }
  times.sort((one, other) => one - other);
  return times[Math.floor(number * 0.99)];
}

test("a flood of forged events stays bounded", async (t) => {
  const token = await issuer.accessToken("tom");
  await latency(token, 100);
  const quiet = await latency(token, 300);
  const [memory, fetches] = [await metric("ars_process_resident_memory_bytes"), issuer.fetches];
  const forged = await Promise.all(Array.from({ length: FLOOD }, (_, number) => {
    // Half of them name keys that the issuer does not have.
    const header = number % 2 ? { kid: `k${number}` } : {};
    return issuer.event("tom", { header, key: issuer.foreignKey });
  }));
  const statuses = {};
  const senders = Array.from({ length: 32 }, async () => {
    for (let event = forged.pop(); event; event = forged.pop()) {
      const { status } = await push(event);
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  });
  const flooded = await latency(token, 200);
  await Promise.all(senders);
  const grown = (await metric("ars_process_resident_memory_bytes")) - memory;
  t.diagnostic(`answers: ${JSON.stringify(statuses)}, fetches: ${issuer.fetches - fetches}, p99 of the API: `
    + `${quiet.toFixed(1)} ms, ${flooded.toFixed(1)} ms in the flood, memory: +${(grown / 1024 / 1024).toFixed(1)} MiB`);
  assert.deepEqual(Object.keys(statuses), ["400", "503"]);
  assert.equal(statuses[400] + statuses[503], FLOOD);
  assert.ok(issuer.fetches - fetches <= 2, `${issuer.fetches - fetches} fetches`);
  assert.ok(grown < 16 * 1024 * 1024, `${grown} bytes`);
  // The senders share the machine with the service.
  assert.ok(flooded < 1000, `${flooded} ms`);
  assert.equal(await call(token), 200);
  assert.equal(await call(await issuer.accessToken("tom")), 200);
});

const FLOOD = 3000;
