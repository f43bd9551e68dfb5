import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { AxeResults } from "axe-core";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPerson, signIn, startBrowser } from "./testing/browser.ts";
import { type ConsoleSite, startConsoleSite } from "./testing/console-site.ts";
import { ask, DEPLOY, ONE_REGION, REGIONS_TO_KEEP } from "./testing/questions.ts";

let site: ConsoleSite;
let browser: Browser;
/** What each screen shows, by its name. */
const paths: Record<string, string> = {};

beforeAll(async () => {
  [site, browser] = await Promise.all([startConsoleSite(), startBrowser()]);
  const { agent } = site;
  const deploy = await ask(agent, "Deploy release 4.2 to production?", {
    interaction: DEPLOY,
    body: "All 1,204 tests pass.\nMigration 0042 drops the column legacy_id.",
    context: [
      { key: "Commit", value: "9f3c21a" },
      { key: "Author", value: "Zhao Min" },
    ],
    timeout: { seconds: 250n },
  });
  const text = await ask(agent, "What should the release notes say about the new export?", {
    body: Array.from({ length: 80 }, (_, line) => `Line ${line + 1} of the draft`).join("\n"),
    timeout: { seconds: 3000n },
    defaultAnswer: { kind: { case: "text", value: { text: "Nothing" } } },
  });
  const one = await ask(agent, "Which region first?", { interaction: ONE_REGION, projectName: "logistics" });
  const several = await ask(agent, "Which regions stay?", { interaction: REGIONS_TO_KEEP });
  await ask(agent, "The nightly backup is done", { interaction: { kind: { case: "notice", value: {} } } });
  const ended = await ask(agent, "Shall the old exports go?");
  await agent.answerSession({
    sessionId: ended.id,
    requestId: "r",
    value: { kind: { case: "text", value: { text: "Keep them until January." } } },
    responderName: "Li Wei",
  });
  Object.assign(paths, {
    inbox: "/inbox",
    "a decision": `/s/${deploy.id}`,
    "a text": `/s/${text.id}`,
    "a choice of one": `/s/${one.id}`,
    "a choice of several": `/s/${several.id}`,
    "an answer": `/s/${ended.id}`,
    settings: "/settings",
    "no such question": "/s/01936f5e-0000-7000-8000-000000000001",
  });
  expect(timestampMs(deploy.expireTime!)).toBeGreaterThan(0);
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
});

async function violations(page: Page): Promise<string[]> {
  // Evaluated from outside: the page's own Content-Security-Policy lets no script in.
  await page.evaluate(axe.source);
  const { violations: found } = (await page.evaluate(
    "axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })",
  )) as AxeResults;
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}

const PHONE = { width: 375, height: 740 };
const DESKTOP = { width: 1280, height: 800 };

/** Each pair of a language, a scheme of colours and a size of screen stands together in one of them. */
const WAYS = [
  ["en-GB", "light", "desktop", DESKTOP],
  ["en-GB", "dark", "phone", PHONE],
  ["zh-CN", "light", "phone", PHONE],
  ["zh-CN", "dark", "desktop", DESKTOP],
] as const;

test.each(WAYS)(
  "in %s, %s, no screen breaks a rule of WCAG 2.2 AA on a %s",
  async (locale, colorScheme, _device, viewport) => {
    const { context, complaints } = await openPerson(browser, { viewport, locale, colorScheme });
    try {
      const login = await context.newPage();
      await login.goto(`${site.url}/login`);
      await login.getByRole("heading", { level: 1 }).waitFor();
      expect(await violations(login), "sign-in").toEqual([]);
      const page = await signIn(context, site.signInUrl());
      expect(await page.evaluate("document.documentElement.lang")).toBe(locale === "zh-CN" ? "zh-CN" : "en");
      for (const [screen, path] of Object.entries(paths)) {
        await page.goto(site.url + path);
        await page.locator("h1:visible").waitFor();
        await page.locator("[aria-busy=true]:visible").waitFor({ state: "detached" });
        expect(await violations(page), screen).toEqual([]);
        // Nothing makes the page scroll sideways.
        expect(
          await page.evaluate("document.documentElement.scrollWidth - innerWidth"),
          screen,
        ).toBeLessThanOrEqual(0);
      }
      await page.goto(site.url + paths["a decision"]!);
      await page.locator("button.danger").click();
      await page.locator("dialog[open]").waitFor();
      expect(await violations(page), "the dangerous dialog").toEqual([]);
      expect(complaints).toEqual([]);
    } finally {
      await context.close();
    }
  },
  90_000,
);

test("at 320 pixels nothing scrolls sideways and the answer's button is not covered", async () => {
  const { context } = await openPerson(browser, { viewport: { width: 320, height: 640 } });
  try {
    const page = await signIn(context, site.signInUrl());
    for (const path of Object.values(paths)) {
      await page.goto(site.url + path);
      await page.locator("h1:visible").waitFor();
      expect(
        await page.evaluate("document.documentElement.scrollWidth - innerWidth"),
        path,
      ).toBeLessThanOrEqual(0);
    }
    await page.goto(site.url + paths["a text"]!);
    await page.getByRole("button", { name: "Send answer" }).click({ trial: true });
  } finally {
    await context.close();
  }
});

test("a change of page moves the focus to its heading, and back to the row that opened it", async () => {
  const { context } = await openPerson(browser, { viewport: DESKTOP });
  try {
    const page = await signIn(context, site.signInUrl());
    const focused = () => page.evaluate("document.activeElement.textContent");
    await page.getByRole("link", { name: "Which region first?" }).focus();
    await page.keyboard.press("Enter");
    await expect.poll(focused).toBe("Which region first?");
    await page.keyboard.press("Escape");
    await expect.poll(focused).toContain("logistics");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await expect.poll(focused).toContain("logistics");
  } finally {
    await context.close();
  }
});
