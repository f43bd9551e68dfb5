import {
  CLIENT_ID,
  CLIENT_SECRET,
  type FakeOidcProvider,
  startFakeOidcProvider,
} from "@hil/gateway/console/testing/fake-oidc-provider.ts";
import { Identity_Kind } from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import axe, { type AxeResults } from "axe-core";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { openPerson, startBrowser } from "./testing/browser.ts";
import { type ConsoleSite, startConsoleSite } from "./testing/console-site.ts";
import { ask } from "./testing/questions.ts";

let provider: FakeOidcProvider;
let site: ConsoleSite;
let browser: Browser;
let context: BrowserContext | undefined;
let complaints: string[];

beforeAll(async () => {
  provider = await startFakeOidcProvider({ redirectUri: () => `${site.url}/login/oidc/callback` });
  const environment = {
    HIL_OIDC_ISSUER: provider.url,
    HIL_OIDC_CLIENT_ID: CLIENT_ID,
    HIL_OIDC_CLIENT_SECRET: CLIENT_SECRET,
    HIL_OIDC_NAME: "Example ID",
  };
  [site, browser] = await Promise.all([startConsoleSite(environment), startBrowser()]);
  await site.access.createMember({
    name: "Zhao Min",
    roles: [Role.ADMINISTRATOR],
    identities: [{ kind: Identity_Kind.EMAIL, value: "zhao.min@example.com" }],
  });
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
  await provider?.close();
});
beforeEach(() => {
  provider.bend = {};
});
afterEach(async () => {
  await context?.close();
  expect(complaints).toEqual([]);
});

async function open(path: string, options?: BrowserContextOptions): Promise<Page> {
  ({ context, complaints } = await openPerson(browser, options));
  const page = await context.newPage();
  await page.goto(site.url + path);
  return page;
}

async function goThrough(page: Page): Promise<void> {
  await page.getByRole("link", { name: /Example ID/ }).click();
  await page.getByRole("heading", { name: "Example ID" }).waitFor();
  await page.getByRole("link", { name: "Go on as Zhao Min" }).click();
}

test("a member signs in by the provider and is back at the question", async () => {
  const session = await ask(site.agent, "Shall the export go out tonight?");
  const page = await open(`/s/${session.id}`);
  await page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor();
  await goThrough(page);
  await page.getByRole("heading", { level: 1, name: "Shall the export go out tonight?" }).waitFor();
  expect(page.url()).toBe(`${site.url}/s/${session.id}`);
  const cookies = await context!.cookies();
  expect(cookies.map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite }))).toEqual([
    { name: "hil_console", httpOnly: true, sameSite: "Lax" },
  ]);
  expect(await page.evaluate("document.cookie")).toBe("");
});

test("known by the provider's word from then on, whatever becomes of the e-mail address", async () => {
  const page = await open("/login");
  provider.bend = { claims: { email: "other@example.com" } };
  await goThrough(page);
  await page.getByRole("heading", { level: 1, name: /Waiting/ }).waitFor();
});

test.each([
  ["en-GB", { claims: { sub: "stranger", email: "stranger@example.com" } }, /nobody has added you here/],
  ["zh-CN", { claims: { sub: "stranger", email: "stranger@example.com" } }, /还没有你的账号/],
  ["en-GB", { error: "access_denied" }, /did not let you in/],
  ["en-GB", { claims: { nonce: "wrong" } }, /could not be verified/],
] as const)("in %s, what did not work with %j is said in words", async (locale, bend, words) => {
  const page = await open("/login", { locale });
  provider.bend = bend;
  await goThrough(page);
  await page.getByRole("alert").filter({ hasText: words }).waitFor();
  expect((await context!.cookies()).filter(({ name }) => name === "hil_console")).toEqual([]);
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate(
    "axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })",
  )) as AxeResults;
  expect(violations.map(({ id }) => id)).toEqual([]);
  const folder = process.env.HIL_TEST_SCREENSHOTS;
  if (folder) await page.screenshot({ path: `${folder}/sign-in-${locale}.png` });
});

test("the owner key still signs in", async () => {
  const page = await open("/login");
  await page.getByLabel("Owner key").fill("not the owner key at all, but long enough");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page
    .getByRole("alert")
    .filter({ hasText: /not the owner key/ })
    .waitFor();
});
