import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";

/** Starts the machine's own Chromium. HIL_CHROMIUM names another. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.HIL_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A browser of its own, as a person's: no cookies, English. Whatever its pages complain about is kept. */
export async function openPerson(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<{ context: BrowserContext; complaints: string[] }> {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  context.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  context.on("console", (message) => {
    // A refused sign-in and a cut connection are the browser's own notes, and tested for themselves.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) {
      complaints.push(message.text());
    }
  });
  context.on("weberror", (error) => complaints.push(String(error.error())));
  return { context, complaints };
}

/** Opens a page by the link that the server printed, and waits until what waits is listed. */
export async function signIn(context: BrowserContext, signInUrl: string | Promise<string>): Promise<Page> {
  const page = await context.newPage();
  await page.goto(await signInUrl);
  await page.getByRole("heading", { level: 1, name: /Waiting|待回答/ }).waitFor();
  await page
    .getByRole("status")
    .filter({ hasText: /^(Live|实时)$/ })
    .waitFor();
  return page;
}
