// Chromium's WebSocket and EventSource, in pages of an allowed and of a foreign origin.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { freshPage, launch } from "../browser/browser.mjs";
import { late, startProgram } from "./program.mjs";

let browser;
let program;
let pages;

before(async () => {
  browser = await launch();
  program = await startProgram();
  pages = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end('<!DOCTYPE html><title>page</title><link rel="icon" href="data:,">');
  });
  await new Promise((resolve) => {
    pages.listen(0, "127.0.0.1", resolve);
  });
});

after(async () => {
  pages?.close();
  await browser?.close();
  await program?.stop();
});

/** A page of an origin that the development settings allow, or of one that resolves to this machine and is foreign. */
async function pageAt(host) {
  const page = await freshPage(browser);
  await page.goto(`http://${host}:${pages.address().port}/`);
  return page;
}

/** What a page sees of a WebSocket: its protocol and the reply to a message, or how it was closed. */
function socketIn(page, url, protocols, waitsForEnd = false) {
  return page.evaluate(
    ([url, protocols, waitsForEnd]) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, protocols);
        socket.onopen = () => socket.send("hello");
        socket.onmessage = ({ data }) => waitsForEnd || resolve([socket.protocol, data]);
        socket.onclose = ({ code, reason }) => resolve([code, reason]);
      }),
    [url, protocols, waitsForEnd],
  );
}

/** The events of an EventSource until one of this type, or its error. */
function eventsIn(page, url, last) {
  return page.evaluate(
    ([url, last]) =>
      new Promise((resolve) => {
        const events = [];
        const source = new EventSource(url);
        const note = (event) => {
          events.push([event.type, event.data]);
          if (event.type === last) {
            source.close();
            resolve(events);
          }
        };
        source.addEventListener("message", note);
        source.addEventListener("expired", note);
        source.onerror = () => {
          source.close();
          resolve("error");
        };
      }),
    [url, last],
  );
}

/** A ticket as the page itself requests it. */
function ticketIn(page, path, token) {
  return page.evaluate(
    async ([url, token]) => {
      const response = await fetch(url, { method: "POST", headers: { Authorization: `Bearer ${token}` } });
      return (await response.json()).ticket;
    },
    [`${program.api}${path}/ticket`, token],
  );
}

test("WebSocket opens by subprotocol and by ticket", async () => {
  const page = await pageAt("localhost");
  const token = await program.token();
  assert.deepEqual(await socketIn(page, program.chat, ["bearer", token]), ["bearer", "hello"]);
  assert.deepEqual(await socketIn(page, program.chat, ["bearer", token, "chat.v1"]), ["chat.v1", "hello"]);
  const url = `${program.chat}?ticket=${await ticketIn(page, "/api/chat", token)}`;
  assert.deepEqual(await socketIn(page, url, []), ["", "hello"]);
  assert.deepEqual(await socketIn(page, url, []), [1006, ""]);
  assert.deepEqual(await socketIn(page, program.chat, []), [1006, ""]);
});

test("WebSocket is closed with 1008 at the end of the token", async () => {
  const page = await pageAt("localhost");
  const token = await program.token(3);
  const closed = await socketIn(page, program.chat, ["bearer", token], true);
  assert.deepEqual(closed, [1008, "access token expired"]);
  assert.ok(late(token) >= 0 && late(token) < 1000, `${late(token)} ms late`);
});

test("EventSource opens by ticket and ends with the token", async () => {
  const page = await pageAt("localhost");
  const token = await program.token(3);
  const url = `${program.news}?ticket=${await ticketIn(page, "/api/news", token)}`;
  const events = await eventsIn(page, url, "expired");
  assert.deepEqual(events, [["message", "hello"], ["expired", '{"reason":"expired"}']]);
  assert.ok(late(token) >= 0 && late(token) < 1000, `${late(token)} ms late`);
  assert.equal(await eventsIn(page, url, "message"), "error");
  assert.equal(await eventsIn(page, program.news, "message"), "error");
});

test("a page of the service's own origin opens an EventSource, which sends no Origin", async () => {
  const page = await freshPage(browser);
  await page.route(`${program.api}/page`, (route) => route.fulfill({ body: "<!DOCTYPE html>", contentType: "text/html" }));
  await page.goto(`${program.api}/page`);
  const url = `${program.news}?ticket=${await ticketIn(page, "/api/news", await program.token())}`;
  assert.deepEqual(await eventsIn(page, url, "message"), [["message", "hello"]]);
});

test("a page of a foreign origin opens neither", async () => {
  const page = await pageAt("rebound.example");
  const token = await program.token();
  assert.deepEqual(await socketIn(page, program.chat, ["bearer", token]), [1006, ""]);
  const socket = `${program.chat}?ticket=${await program.ticket("/api/chat", token)}`;
  assert.deepEqual(await socketIn(page, socket, []), [1006, ""]);
  const events = `${program.news}?ticket=${await program.ticket("/api/news", token)}`;
  assert.equal(await eventsIn(page, events, "message"), "error");
  // It is the service that has rejected them, not the browser.
  const metrics = await (await fetch(`${program.api}/metrics`)).text();
  assert.match(metrics, /ars_rejections_total\{route="\/api\/chat",reason="foreign_origin"\} 2/);
  assert.match(metrics, /ars_rejections_total\{route="\/api\/news",reason="foreign_origin"\} 1/);
});
