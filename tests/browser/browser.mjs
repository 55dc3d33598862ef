// One Chromium for a file of tests, and a fresh profile for each test.
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A name of somebody else's that leads to this machine.
  "--host-resolver-rules=MAP rebound.example 127.0.0.1",
];

export function launch() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: FLAGS });
}

/** A page whose errors fail the test that uses it. */
export async function freshPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 800, height: 600 }, ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => {
    throw error;
  });
  return page;
}

/** Chooses somebody on the issuer's page. */
export async function choose(page, person) {
  await page.getByRole("button", { name: person }).click();
}

/** Pictures are taken on request, so that a run of the tests leaves the tree as it was. */
export async function picture(page, path) {
  if (process.env.PICTURES) {
    await page.screenshot({ path: new URL(path, import.meta.url).pathname, fullPage: true });
  }
}
