// The documentation page: Swagger UI signs in at the development issuer, and calls the API.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { choose, freshPage, launch } from "./browser.mjs";
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

/** A page that fails the test when it requests anything from elsewhere, or something that its policy forbids. */
async function openPage() {
  const page = await freshPage(browser);
  const known = [service.api, service.issuer];
  const foreign = [];
  page.context().on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== "data:" && !known.includes(origin)) foreign.push(request.url());
  });
  page.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) foreign.push(message.text());
  });
  await page.goto(`${service.api}/docs`);
  await page.locator("#operations-default-private_scoped").waitFor();
  return { foreign, page };
}

/** Calls an operation by its button; resolves to the status that the page shows. */
async function execute(page, operation) {
  const block = page.locator(`#operations-default-${operation}`);
  await block.locator(".opblock-summary-control").click();
  await block.getByRole("button", { name: "Try it out" }).click();
  await block.getByRole("button", { name: "Execute" }).click();
  return (await block.locator(".live-responses-table .response-col_status").last().textContent()).trim();
}

test("the Authorize button signs in with PKCE, and the calls carry the token", async () => {
  const { foreign, page } = await openPage();
  await page.getByRole("button", { name: "Authorize" }).first().click();
  const dialog = page.locator(".dialog-ux");
  assert.equal(await dialog.locator("#client_id_authorizationCode").inputValue(), "documentation");
  await dialog.getByText("read:messages", { exact: true }).click();
  const popup = page.waitForEvent("popup");
  await dialog.getByRole("button", { name: "Apply given OAuth2 credentials" }).click();
  const signIn = await popup;
  await signIn.waitForLoadState();
  const { searchParams } = new URL(signIn.url());
  assert.equal(searchParams.get("code_challenge_method"), "S256");
  assert.equal(searchParams.get("scope"), "read:messages");
  await choose(signIn, "Manager");
  await dialog.getByText("Logout").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  assert.equal(await execute(page, "private_scoped"), "200");
  assert.deepEqual(foreign, []);
});

test("without a token the page shows the rejection", async () => {
  const { foreign, page } = await openPage();
  assert.equal(await execute(page, "public"), "200");
  assert.equal(await execute(page, "private"), "401");
  assert.deepEqual(foreign, []);
});

test("the page cannot be framed, and only its own files are served", async () => {
  const response = await fetch(`${service.api}/docs`);
  assert.match(response.headers.get("content-security-policy"), /^default-src 'none'; .*frame-ancestors 'none'/);
  assert.equal(response.headers.get("x-frame-options"), "DENY");
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  for (const path of ["/docs/", "/docs/index.html", "/docs/../Settings.toml", "/docs/swagger-initializer.js"]) {
    assert.equal((await fetch(service.api + path)).status, 404, path);
  }
});
