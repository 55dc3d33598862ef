// The example single-page app, as somebody uses it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { serve } from "../../examples/spa/serve.mjs";
import { choose, freshPage, launch, picture } from "./browser.mjs";
import { startService } from "./service.mjs";

const MISSING = /^403 · .*Bearer realm="api", error="insufficient_scope", .*scope="read:messages", resource_metadata="[^"]+"Ask for read:messages$/;

let browser;
let service;
let spa;

before(async () => {
  browser = await launch();
  service = await startService();
  spa = await serve(0);
});

after(async () => {
  spa?.close();
  await browser?.close();
  await service?.stop();
});

async function openSpa(useDpop = false) {
  const page = await freshPage(browser, { viewport: { width: 640, height: 480 } });
  const config = `
    export const domain = "${service.issuer}";
    export const clientId = "spa";
    export const audience = "https://quickstarts/api";
    export const api = "${service.api}";
    export const useDpop = ${useDpop};`;
  await page.route("**/config.js", (route) => route.fulfill({ body: config, contentType: "text/javascript" }));
  await page.goto(`http://localhost:${spa.address().port}/`);
  return page;
}

async function signIn(page, person) {
  await page.getByRole("button", { name: "Sign in" }).click();
  await choose(page, person);
  await signedIn(page, person);
}

function signedIn(page, person) {
  return page.getByText(`${person} · ${person.toLowerCase()}@example.com`).waitFor();
}

/** What the app shows of the three calls. */
async function calls(page) {
  const shown = [];
  for (const path of ["/api/public", "/api/private", "/api/private-scoped"]) {
    await page.getByRole("button", { name: `GET ${path}`, exact: true }).click();
    const output = page.locator(`[data-path="${path}"] + output:not(:empty)`);
    shown.push(await output.textContent());
  }
  return shown;
}

test("without a sign-in the open route alone answers", async () => {
  const page = await openSpa();
  const [open, ...others] = await calls(page);
  assert.match(open, /^200 · Anybody/);
  for (const shown of others) {
    assert.match(shown, /^401 · .*Bearer realm="api", (scope="[^"]+", )?resource_metadata="[^"]+", DPoP [^]*algs="[^"]+"$/);
  }
});

for (const person of ["Manager", "Administrator"]) {
  test(`the ${person.toLowerCase()} signs in, is told which scope is missing, and gets it`, async () => {
    const page = await openSpa();
    await signIn(page, person);
    const [open, any, scoped] = await calls(page);
    assert.match(open, /^200 /);
    assert.match(any, /^200 /);
    assert.match(scoped, MISSING);
    await page.mouse.move(0, 0);
    if (person === "Manager") await picture(page, "../../examples/spa/screenshot.png");
    await page.getByRole("button", { name: "Ask for read:messages" }).click();
    await page.waitForURL((url) => url.search === "" && url.port === String(spa.address().port));
    await signedIn(page, person);
    for (const shown of await calls(page)) {
      assert.match(shown, /^200 /);
    }
  });
}

test("with DPoP switched on each call comes with a proof", async () => {
  const page = await openSpa(true);
  await signIn(page, "Manager");
  const called = page.waitForRequest((request) => request.url().endsWith("/api/private") && request.method() === "GET");
  const [open, any, scoped] = await calls(page);
  const headers = (await called).headers();
  assert.match(headers.authorization, /^DPoP /);
  assert.ok(headers.dpop);
  assert.match(open, /^200 /);
  assert.match(any, /^200 /);
  assert.match(scoped, /^403 · .*DPoP error="insufficient_scope", .*Ask for read:messages$/);
});

test("a reload renews the sign-in silently", async () => {
  const page = await openSpa();
  await signIn(page, "Manager");
  const silent = page.waitForResponse((response) => response.url().includes("prompt=none"));
  await page.reload();
  assert.equal((await silent).status(), 200);
  await signedIn(page, "Manager");
  assert.match((await calls(page))[1], /^200 /);
});

test("after signing out a reload changes nothing, and the next sign-in asks who it is", async () => {
  const page = await openSpa();
  await signIn(page, "Manager");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("Nobody is signed in.").waitFor();
  await page.reload();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await signIn(page, "Administrator");
});
