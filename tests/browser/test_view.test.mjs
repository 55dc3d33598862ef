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

async function openView(options) {
  const page = await freshPage(browser, options);
  const refusals = [];
  page.on("console", (message) => message.text().includes("Content Security Policy") && refusals.push(message.text()));
  await page.goto(service.issuer);
  await routeButton(page, "/api/private-scoped").waitFor();
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
