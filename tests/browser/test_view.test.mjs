// The Test view, with a keyboard alone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { freshPage, launch, picture } from "./browser.mjs";
import { startService } from "./service.mjs";

let browser;
let service;

before(async () => {
  browser = await launch();
  service = await startService();
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

async function openView(options, running = service, path = "/api/private-scoped") {
  const page = await freshPage(browser, options);
  const refusals = [];
  page.on("console", (message) => message.text().includes("Content Security Policy") && refusals.push(message.text()));
  await page.goto(running.issuer);
  await routeButton(page, path).waitFor();
  return { page, refusals };
}

const routeButton = (page, path) => page.getByRole("button", { name: `GET ${path}`, exact: true });
const route = (page, path) => page.getByRole("listitem").filter({ has: routeButton(page, path) });

/** Presses Tab until the element has the focus. */
async function tabTo(page, element) {
  for (let pressed = 0; pressed < 40; pressed += 1) {
    await page.keyboard.press("Tab");
    if (await element.evaluate((found) => found === document.activeElement)) return;
  }
  assert.fail(`Tab does not lead to ${element}`);
}

async function answerOf(page, path) {
  await tabTo(page, routeButton(page, path));
  const answered = page.waitForResponse((response) => response.url().endsWith(path));
  await page.keyboard.press("Enter");
  const status = (await answered).status();
  const answer = route(page, path).getByRole("status").filter({ hasText: String(status) });
  return answer.innerText();
}

test("calls without a token are refused, and the page says what to do", async () => {
  const { page, refusals } = await openView();
  assert.match(await answerOf(page, "/api/public"), /^200 OK/);
  assert.match(await answerOf(page, "/api/private"), /401 Unauthorized No token was sent[^]*Bearer realm="api"[^]*"status": 401/);
  assert.deepEqual(refusals, []);
});

test("a person is chosen, a token got, and each route called, by keys", async () => {
  const { page, refusals } = await openView();
  await tabTo(page, page.getByRole("radio", { name: "Manager" }));
  await page.keyboard.press("ArrowDown");
  assert.ok(await page.getByRole("radio", { name: "Administrator" }).isChecked());
  await page.keyboard.press("ArrowUp");
  assert.ok(await page.getByRole("checkbox", { name: "write:messages" }).isDisabled());
  await tabTo(page, page.getByRole("checkbox", { name: "read:messages" }));
  await page.keyboard.press("Space");
  await tabTo(page, page.getByRole("button", { name: "Get a token" }));
  await page.keyboard.press("Enter");
  await page.getByRole("row", { name: "sub auth0|manager" }).waitFor();
  assert.equal(await page.getByRole("row", { name: /^scope/ }).count(), 0);
  assert.match(await answerOf(page, "/api/private"), /^200 OK/);
  assert.match(await answerOf(page, "/api/private-scoped"), /^403 Forbidden The token is good, but does not grant read:messages/);

  await tabTo(page, page.getByRole("checkbox", { name: "read:messages" }));
  await page.keyboard.press("Space");
  await page.keyboard.press("Enter");
  await page.getByRole("row", { name: "scope read:messages" }).waitFor();
  assert.match(await answerOf(page, "/api/private-scoped"), /^200 OK/);
  assert.deepEqual(refusals, []);
});

test("a token that is bound to the page's key is of use with its proofs alone", async () => {
  const { page, refusals } = await openView({ permissions: ["clipboard-read", "clipboard-write"] });
  await page.getByRole("checkbox", { name: "Bind it to a key" }).check();
  await page.getByRole("button", { name: "Get a token" }).click();
  await page.getByRole("row", { name: /^cnf {"jkt":"[\w-]{43}"}/ }).waitFor();
  await page.getByText("bound to this page's key").waitFor();
  assert.match(await answerOf(page, "/api/private-scoped"), /^200 OK/);
  await page.getByLabel("Send").selectOption("stolen");
  assert.match(await answerOf(page, "/api/private"), /^401 Unauthorized The token is bound to its sender/);
  await page.getByLabel("Send").selectOption("token");
  await route(page, "/api/private").getByRole("button", { name: "Copy curl" }).click();
  await page.getByText("Copied").waitFor();
  const line = await page.evaluate(() => navigator.clipboard.readText());
  const [, Authorization, DPoP, url] = line.match(/^curl -i -H 'Authorization: (DPoP [^']+)' -H 'DPoP: ([^']+)' '([^']+)'$/);
  const statuses = [];
  for (let sent = 0; sent < 2; sent += 1) {
    statuses.push((await fetch(url, { headers: { Authorization, DPoP } })).status);
  }
  assert.deepEqual(statuses, [200, 401], "a proof serves once");
  assert.deepEqual(refusals, []);
});

test("the curl line is copied whole", async () => {
  const { page } = await openView({ permissions: ["clipboard-read", "clipboard-write"] });
  await page.getByRole("button", { name: "Get a token" }).click();
  await page.getByRole("row", { name: /^iss/ }).waitFor();
  await route(page, "/api/private-scoped").getByRole("button", { name: "Copy curl" }).click();
  await page.getByText("Copied").waitFor();
  const line = await page.evaluate(() => navigator.clipboard.readText());
  const [, token, url] = line.match(/^curl -i -H 'Authorization: Bearer ([^']+)' '([^']+)'$/);
  const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(response.status, 200);
});

test("a spoiled token is refused for its signature", async () => {
  const { page } = await openView();
  await page.getByRole("button", { name: "Get a token" }).click();
  await page.getByRole("row", { name: /^iss/ }).waitFor();
  await page.getByLabel("Send").selectOption("spoiled");
  assert.match(await answerOf(page, "/api/private"), /^401 Unauthorized The token's signature is invalid\./);
});

for (const [kind, cause] of [
  ["expired", /Why\s+The token has expired[^]*Remedy\s+Get a new token\./],
  ["wrong_audience", /Why\s+[^]*wrong-audience\.example[^]*Remedy/],
  ["wrong_issuer", /Why\s+[^]*wrong-issuer\.example[^]*Remedy/],
  ["id_token", /Why\s+[^]*ID token[^]*Remedy/],
  ["foreign_key", /Why\s+[^]*signature[^]*Remedy/],
]) {
  test(`a rejection is explained: ${kind}`, async () => {
    const { page, refusals } = await openView();
    await page.getByLabel("Kind of token").selectOption(kind);
    await page.getByRole("button", { name: "Get a token" }).click();
    await page.getByRole("row", { name: /^iss/ }).waitFor();
    const validity = await page.getByText(/^(Valid until|Expired at) /).innerText();
    assert.equal(validity.startsWith("Expired at"), kind === "expired", validity);
    assert.match(await answerOf(page, "/api/private"), cause);
    assert.deepEqual(refusals, []);
  });
}

test("a missing scope is explained with a proof, too", async () => {
  const { page } = await openView();
  await page.getByRole("checkbox", { name: "read:messages" }).uncheck();
  await page.getByRole("checkbox", { name: "Bind it to a key" }).check();
  await page.getByRole("button", { name: "Get a token" }).click();
  await page.getByRole("row", { name: /^cnf/ }).waitFor();
  assert.match(await answerOf(page, "/api/private-scoped"), /^403 Forbidden[^]*Why\s+[^]*read:messages[^]*Remedy/);
});

test("a token that expires while it is shown reads as expired", async () => {
  const { page } = await openView();
  await page.clock.install();
  await page.getByRole("button", { name: "Get a token" }).click();
  await page.getByText(/^Valid until /).waitFor();
  await page.clock.runFor("01:00:01");
  await page.getByText(/^Expired at /).waitFor();
});

test("only a bound token can be sent without its proof", async () => {
  const { page } = await openView();
  const isOffered = () => page.locator("#stolen").evaluate((option) => !option.hidden && !option.disabled);
  assert.equal(await isOffered(), false);
  const get = async (row) => {
    await page.getByRole("button", { name: "Get a token" }).click();
    await page.getByRole("row", { name: row }).waitFor();
  };
  await get(/^iss/);
  assert.equal(await isOffered(), false);
  await page.getByRole("checkbox", { name: "Bind it to a key" }).check();
  await get(/^cnf/);
  assert.equal(await isOffered(), true);
  await page.getByLabel("Send").selectOption("stolen");
  await page.getByRole("checkbox", { name: "Bind it to a key" }).uncheck();
  await get(/^gty|^jti/);
  await page.getByText("a bearer token").waitFor();
  assert.equal(await page.getByLabel("Send").inputValue(), "token");
});

test("on a phone the new token comes into view and is announced", async () => {
  const { page } = await openView({ viewport: { width: 390, height: 740 }, reducedMotion: "reduce" });
  await page.getByRole("button", { name: "Get a token" }).click();
  await page.getByRole("status").filter({ hasText: "A token was issued" }).waitFor();
  const heading = page.getByRole("heading", { name: "2. The token" });
  const top = await heading.evaluate((found) => found.getBoundingClientRect().top);
  assert.ok(top >= 0 && top < 370, `${top}`);
  assert.equal(await page.locator("button.primary").count(), 1);
});

test("routes with parameters and a body are filled in and called", async () => {
  const variables = { OWN_SERVICE: "1", APP__TODO__DATABASE: "todos.db" };
  const own = await startService(variables, process.env.OWN_SERVICE_PROGRAM);
  try {
    const { page, refusals } = await openView({}, own, "/todos/{list}");
    await page.getByRole("button", { name: "Get a token" }).click();
    await page.getByRole("row", { name: "scope write:todos" }).waitFor();
    const item = (method) => page.getByRole("listitem").filter({ has: page.getByRole("button", { name: `${method} /todos/{list}`, exact: true }) });
    await item("GET").getByLabel("list").fill("my garden");
    await item("GET").getByRole("button", { name: "GET /todos/{list}" }).click();
    await item("GET").getByRole("status").filter({ hasText: "my garden of todos.db, 10 a page" }).waitFor();
    await item("POST").getByLabel("Body").fill("weed it's");
    const line = await item("POST").locator(".curl").innerText();
    assert.match(line, /^curl -i -X POST -H 'Authorization: Bearer [^']+' -H 'Content-Type: text\/plain' -d 'weed it'\\''s' 'http/);
    await item("POST").getByRole("button", { name: "POST /todos/{list}" }).click();
    await item("POST").getByRole("status").filter({ hasText: /200 OK The token was accepted\.Bodyweed it's/ }).waitFor();
    assert.deepEqual(refusals, []);
    const root = await fetch(own.api, { redirect: "manual" });
    assert.equal(root.headers.get("location"), `${own.issuer}/`);
  } finally {
    await own.stop();
  }
});

for (const [name, options] of [
  ["light", { colorScheme: "light", viewport: { width: 1100, height: 900 } }],
  ["dark", { colorScheme: "dark", viewport: { width: 1100, height: 900 } }],
  ["phone", { colorScheme: "light", viewport: { width: 360, height: 740 } }],
]) {
  test(`nothing is wider than the window: ${name}`, async () => {
    const { page } = await openView(options);
    await page.getByRole("checkbox", { name: "read:messages" }).uncheck();
    await page.getByRole("button", { name: "Get a token" }).click();
    await page.getByRole("row", { name: /^iss/ }).waitFor();
    await answerOf(page, "/api/private");
    await answerOf(page, "/api/private-scoped");
    const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(content <= window, `${content} > ${window}`);
    if (name === "light") await picture(page, "test_view.png");
  });
}
