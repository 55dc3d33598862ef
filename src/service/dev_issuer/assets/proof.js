// Makes DPoP proofs (RFC 9449 §4.2) with a key that lasts as long as this page and cannot be exported.
"use strict";

const sender = crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);

/** The nonce for the next proof to each origin (RFC 9449 §8, §9). */
const nonces = new Map();

const bytesOf = (text) => new TextEncoder().encode(text);
const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const encode = (value) => base64url(bytesOf(JSON.stringify(value)));

/** A proof for one request to a URL, and for the token that is sent with it, if any. */
async function proofFor(method, url, token) {
  const { privateKey, publicKey } = await sender;
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", publicKey);
  const { origin, pathname } = new URL(url);
  const claims = { jti: crypto.randomUUID(), htm: method, htu: origin + pathname, iat: Math.floor(Date.now() / 1000) };
  if (token) claims.ath = base64url(await crypto.subtle.digest("SHA-256", bytesOf(token)));
  if (nonces.has(origin)) claims.nonce = nonces.get(origin);
  const input = `${encode({ typ: "dpop+jwt", alg: "ES256", jwk: { kty, crv, x, y } })}.${encode(claims)}`;
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, bytesOf(input));
  return `${input}.${base64url(signature)}`;
}

/** Fetches `path` with a proof for its absolute `url`; repeats the request once with a new nonce. */
async function fetchWithProof(path, url, options, token) {
  const { origin } = new URL(url);
  const send = async () => {
    const before = nonces.get(origin);
    const DPoP = await proofFor(options.method, url, token);
    const response = await fetch(path, { ...options, headers: { ...options.headers, DPoP } });
    const nonce = response.headers.get("DPoP-Nonce");
    if (nonce) nonces.set(origin, nonce);
    return { response, again: !response.ok && nonces.get(origin) !== before };
  };
  const first = await send();
  return first.again ? (await send()).response : first.response;
}
