import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openPerson, signIn, startBrowser } from "./testing/browser.ts";
import { type ConsoleSite, startConsoleSite } from "./testing/console-site.ts";
import { ask } from "./testing/questions.ts";
import { startTcpProxy, type TcpProxy } from "./testing/tcp-proxy.ts";

let site: ConsoleSite;
let browser: Browser;
let context: BrowserContext;
let proxy: TcpProxy | undefined;
beforeAll(async () => {
  [site, browser] = await Promise.all([startConsoleSite(), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
});
afterEach(async () => {
  await context?.close();
  await proxy?.close();
  proxy = undefined;
  const { sessions } = await site.agent.listSessions({ filter: { states: [1] }, pageSize: 200 });
  for (const { id } of sessions) await site.agent.cancelSession({ sessionId: id });
});

/** Signs a person in, through the wire that a test can cut if there is one. */
async function enter(): Promise<Page> {
  ({ context } = await openPerson(browser, { viewport: { width: 1280, height: 800 } }));
  return signIn(context, (await site.signInUrl()).replace(site.url, proxy?.url ?? site.url));
}

const titles = (page: Page) => page.locator(".row[data-ended=false] .row-title").allTextContents();
const connection = (page: Page, state: string) =>
  page.locator(`.connection[data-state="${state}"]`).waitFor();
const row = (page: Page, title: string) => page.getByRole("link", { name: title });

/** How many WatchSessions requests a context has under way. */
function countStreams(of: BrowserContext): { readonly open: number } {
  const open = new Set<unknown>();
  of.on("request", (request) => {
    if (request.url().endsWith("/WatchSessions")) open.add(request);
  });
  of.on("requestfinished", (request) => open.delete(request));
  of.on("requestfailed", (request) => open.delete(request));
  return {
    get open() {
      return open.size;
    },
  };
}

test("a question appears by itself, without moving the focus, and leaves a while after its end", async () => {
  const page = await enter();
  const first = await ask(site.agent, "First of all?", { timeout: { seconds: 3000n } });
  await row(page, first.title).waitFor();
  await row(page, first.title).focus();
  const second = await ask(site.agent, "Sooner than the first?", { timeout: { seconds: 1000n } });
  await row(page, second.title).waitFor();
  expect(await titles(page)).toEqual([second.title, first.title]);
  expect(await row(page, first.title).evaluate((link) => link === document.activeElement)).toBe(true);
  await expect.poll(() => page.title()).toBe("(2) Waiting · HIL");

  await site.agent.answerSession({
    sessionId: first.id,
    requestId: "elsewhere",
    value: { kind: { case: "text", value: { text: "ok" } } },
    responderName: "Li Wei",
    channelId: "api",
  });
  await page.getByText("Answered by Li Wei in the API").first().waitFor();
  await row(page, first.title).waitFor({ state: "detached" });
  // The row had the focus: the next one has it now.
  await expect
    .poll(() => row(page, second.title).evaluate((link) => link === document.activeElement))
    .toBe(true);
});

test("a notice is listed apart and not counted", async () => {
  const page = await enter();
  await ask(site.agent, "The backup is done", { interaction: { kind: { case: "notice", value: {} } } });
  await page.locator(".notices").getByText("The backup is done").waitFor();
  expect(await page.title()).toBe("Waiting · HIL");
  await page.getByText("Nothing waits for you").waitFor();
});

test("search and project live in the address and stay while a question is open", async () => {
  const page = await enter();
  await ask(site.agent, "About invoices?");
  const other = await ask(site.agent, "About shipping?", { projectName: "logistics" });
  await row(page, "About shipping?").waitFor();
  await page.getByLabel("Project").selectOption({ label: "logistics" });
  await expect.poll(() => titles(page)).toEqual(["About shipping?"]);
  await row(page, "About shipping?").click();
  await page.waitForURL(`**/s/${other.id}?project=logistics`);
  await page.getByLabel("Project").selectOption({ label: "All projects" });
  await page.keyboard.press("Escape");
  await page.getByLabel("Search").fill("invoice");
  await expect.poll(() => titles(page)).toEqual(["About invoices?"]);
  await page.getByLabel("Search").fill("nothing like it");
  await page.getByText("No question matches").waitFor();
});

test("a stream that is cut every 400 ms loses no question and shows none twice", async () => {
  proxy = await startTcpProxy(site.port);
  const page = await enter();
  const wire = proxy;
  const cutting = setInterval(() => wire.cut(), 400);
  const asked: string[] = [];
  try {
    for (let number = 1; number <= 60; number++) {
      const title = `Question ${number}?`;
      asked.push(title);
      const session = await ask(site.agent, title);
      if (number % 3 === 0) {
        await site.agent.cancelSession({ sessionId: session.id });
        asked.pop();
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    clearInterval(cutting);
  }
  expect(wire.cuts).toBeGreaterThan(5);
  await expect.poll(async () => (await titles(page)).sort(), { timeout: 40_000 }).toEqual(asked.sort());
  await connection(page, "live");
}, 90_000);

test("while the server is away the page says so and stays readable; when it is back it catches up", async () => {
  proxy = await startTcpProxy(site.port);
  const page = await enter();
  await ask(site.agent, "Before the outage?");
  await row(page, "Before the outage?").waitFor();
  proxy.down = true;
  proxy.cut();
  await connection(page, "reconnecting");
  await page.getByText(/^Last updated \d\d:\d\d, reconnecting/).waitFor();
  await ask(site.agent, "During the outage?");
  expect(await titles(page)).toEqual(["Before the outage?"]);
  proxy.down = false;
  await row(page, "During the outage?").waitFor({ timeout: 30_000 });
  await connection(page, "live");
}, 60_000);

test("six tabs share one stream, hear everything, and can all answer", async () => {
  const first = await enter();
  const streams = countStreams(context);
  const tabs = [first];
  for (let more = 0; more < 5; more++) {
    const tab = await context.newPage();
    await tab.goto(`${site.url}/inbox`);
    await connection(tab, "live");
    tabs.push(tab);
  }
  const session = await ask(site.agent, "Heard in every tab?");
  for (const tab of tabs) await row(tab, session.title).waitFor();
  expect(streams.open).toBe(0); // the one stream is the first tab's, from before the count began

  const last = tabs.at(-1)!;
  await last.goto(`${site.url}/s/${session.id}`);
  await last.getByRole("textbox", { name: "Your answer" }).fill("In all six");
  await last.keyboard.press("Control+Enter");
  await last
    .locator("article")
    .getByText(/^Answered, /)
    .waitFor();
  for (const tab of tabs.slice(0, -1))
    await tab.getByText("Answered by owner in the console").first().waitFor();
}, 60_000);

test("when the tab that holds the stream closes, another takes it over and nothing is missed", async () => {
  const leader = await enter();
  const other = await context.newPage();
  await other.goto(`${site.url}/inbox`);
  await connection(other, "live");
  const streams = countStreams(context);
  await leader.close();
  const session = await ask(site.agent, "Asked while nobody led?");
  await row(other, session.title).waitFor();
  await expect.poll(() => streams.open).toBe(1);
});

test("where streams are held back the page asks every 5 s and says so", async () => {
  ({ context } = await openPerson(browser));
  // A proxy that buffers a response until its end: nothing of a stream arrives.
  await context.route("**/WatchSessions", () => {});
  const page = await context.newPage();
  await page.goto(await site.signInUrl());
  await connection(page, "polling");
  await page.getByText("Updates every 5 s").waitFor();
  const session = await ask(site.agent, "Heard without a stream?");
  await row(page, session.title).waitFor();
}, 60_000);

test("signing out in one tab ends the stream of all, and keeps what is on the page", async () => {
  const page = await enter();
  const other = await context.newPage();
  await other.goto(`${site.url}/settings`);
  await connection(other, "live");
  await other.getByRole("button", { name: "Sign out" }).click();
  await other.getByRole("heading", { level: 1, name: "Sign in" }).waitFor();
  await connection(page, "signed-out");
  await page.getByText("You are signed out. What you wrote is kept.").waitFor();
});
