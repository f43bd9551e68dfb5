import type { AnswerValue } from "@hil/gen/hil/session/v1/session_pb.ts";
import { Session_Outcome, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openPerson, signIn, startBrowser } from "./testing/browser.ts";
import { type ConsoleSite, startConsoleSite } from "./testing/console-site.ts";
import { answered, ask, DEPLOY, ONE_REGION, REGIONS_TO_KEEP, YES_NO } from "./testing/questions.ts";

let site: ConsoleSite;
let browser: Browser;
let contexts: BrowserContext[] = [];
let complaints: string[] = [];
beforeAll(async () => {
  [site, browser] = await Promise.all([startConsoleSite(), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
});
afterEach(async () => {
  await Promise.all(contexts.map((context) => context.close()));
  contexts = [];
  // A page that breaks its own Content-Security-Policy, or throws, says so here.
  expect(complaints).toEqual([]);
});

async function person(): Promise<{ context: BrowserContext; page: Page }> {
  const opened = await openPerson(browser, { viewport: { width: 1280, height: 800 } });
  contexts.push(opened.context);
  complaints = opened.complaints;
  return { context: opened.context, page: await signIn(opened.context, site.signInUrl()) };
}

const row = (page: Page, title: string) => page.getByRole("link", { name: title });
const titled = (page: Page, title: string) => page.getByRole("heading", { level: 1, name: title });
const receipt = (page: Page) => page.locator("article").getByText(/^Answered, \d\d:\d\d$/);

function answerOf(value: AnswerValue | undefined): unknown {
  const kind = value?.kind;
  if (kind?.case === "selection") return { values: kind.value.values, other: kind.value.other };
  if (kind?.case === "confirmation") return kind.value.value;
  return kind?.case === "text" ? kind.value.text : undefined;
}

describe("signing in", () => {
  test("the printed link signs in once, and leaves nothing in the address bar", async () => {
    const url = await site.signInUrl();
    const first = await openPerson(browser);
    const second = await openPerson(browser);
    contexts.push(first.context, second.context);
    const page = await signIn(first.context, url);
    expect(page.url()).toBe(`${site.url}/inbox`);

    const late = await second.context.newPage();
    await late.goto(url);
    await late.getByText("This link was used before").waitFor();
    expect(late.url()).toBe(`${site.url}/login`);
  });

  test("who is not signed in is asked to, and comes back to the page that was wanted", async () => {
    const session = await ask(site.agent, "Where to after signing in?");
    const { context } = await openPerson(browser);
    contexts.push(context);
    const page = await context.newPage();
    await page.goto(`${site.url}/s/${session.id}?q=where`);
    await page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor();
    await page.goto(page.url() + new URL(await site.signInUrl()).hash);
    await titled(page, "Where to after signing in?").waitFor();
    expect(page.url()).toBe(`${site.url}/s/${session.id}?q=where`);
  });

  test("a wrong key is refused in words beside the field", async () => {
    const { context } = await openPerson(browser);
    contexts.push(context);
    const page = await context.newPage();
    await page.goto(`${site.url}/login`);
    await page.getByLabel("Owner key").fill("hil_owner_wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "This is not the owner key" }).waitFor();
  });
});

describe("answering by keyboard alone", () => {
  test("a text: j, Enter, Tab to the field, Ctrl+Enter", async () => {
    const { page } = await person();
    const session = await ask(site.agent, "What is the release called?");
    await row(page, session.title).waitFor();
    await page.keyboard.press("j");
    while (!(await row(page, session.title).evaluate((each) => each === document.activeElement))) {
      await page.keyboard.press("j");
    }
    await page.keyboard.press("Enter");
    await titled(page, session.title).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.type("Aurora, j k 1 ? / n");
    await page.keyboard.press("Control+Enter");
    await receipt(page).waitFor();
    const ended = await answered(site.agent, session.id);
    expect(answerOf(ended.answer?.value)).toBe("Aurora, j k 1 ? / n");
    expect(ended.answer?.channelId).toBe("console");
  });

  test("a decision: a number picks and does not send, n writes a note, Ctrl+Enter sends", async () => {
    const { page } = await person();
    const session = await ask(site.agent, "Send the newsletter?", { interaction: YES_NO });
    await page.goto(`${site.url}/s/${session.id}`);
    await titled(page, session.title).waitFor();
    await page.keyboard.press("2");
    await page.getByText("Ctrl Enter sends “Do not send”.").waitFor();
    await page.keyboard.press("n");
    await page.keyboard.type("Two links are dead.");
    expect((await site.agent.getSession({ sessionId: session.id })).session?.state).toBe(Session_State.OPEN);
    await page.keyboard.press("Control+Enter");
    await receipt(page).waitFor();
    const ended = await answered(site.agent, session.id);
    expect(answerOf(ended.answer?.value)).toBe("no");
    expect(ended.outcome).toBe(Session_Outcome.REJECTED);
    expect(ended.answer?.note).toBe("Two links are dead.");
  });

  test("a choice of one: something else, in one's own words", async () => {
    const { page } = await person();
    const session = await ask(site.agent, "Which region first?", { interaction: ONE_REGION });
    await page.goto(`${site.url}/s/${session.id}`);
    await titled(page, session.title).waitFor();
    expect(await page.getByRole("radio", { checked: true }).count()).toBe(0);
    await page.keyboard.press("4");
    await page.getByLabel("Your own words").waitFor();
    await page.keyboard.type("Oceania");
    await page.keyboard.press("Control+Enter");
    await receipt(page).waitFor();
    expect(answerOf((await answered(site.agent, session.id)).answer?.value)).toEqual({
      values: [],
      other: "Oceania",
    });
  });

  test("a choice of several: too many are refused in place, then sent", async () => {
    const { page } = await person();
    const session = await ask(site.agent, "Which regions stay?", { interaction: REGIONS_TO_KEEP });
    await page.goto(`${site.url}/s/${session.id}`);
    await titled(page, session.title).waitFor();
    for (const key of ["1", "2", "3", "Control+Enter"]) await page.keyboard.press(key);
    await page.locator("#answer-problem", { hasText: "Choose at most 2." }).waitFor();
    await page.keyboard.press("2");
    await page.locator("#answer-problem").waitFor({ state: "detached" });
    await page.keyboard.press("Control+Enter");
    await receipt(page).waitFor();
    expect(answerOf((await answered(site.agent, session.id)).answer?.value)).toEqual({
      values: ["eu", "ap"],
      other: "",
    });
  });

  test("something dangerous is asked twice, and Enter by habit changes nothing", async () => {
    const { page } = await person();
    const session = await ask(site.agent, "Deploy 4.2?", { interaction: DEPLOY });
    await page.goto(`${site.url}/s/${session.id}`);
    await titled(page, session.title).waitFor();
    await page.keyboard.press("1");
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Deploy?" });
    await dialog.getByText("Replaces 4.1 on all 12 hosts.").waitFor();
    expect(
      await dialog.getByRole("button", { name: "Cancel" }).evaluate((b) => b === document.activeElement),
    ).toBe(true);
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });
    expect((await site.agent.getSession({ sessionId: session.id })).session?.state).toBe(Session_State.OPEN);

    await page.keyboard.press("Control+Enter");
    await dialog.waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await receipt(page).waitFor();
    expect(answerOf((await answered(site.agent, session.id)).answer?.value)).toBe("deploy");
  });

  test("single keys do nothing when they are switched off; Ctrl+Enter still sends", async () => {
    const { page } = await person();
    const session = await ask(site.agent, "Without single keys?", { interaction: YES_NO });
    await page.goto(`${site.url}/settings`);
    await page.getByLabel("Single-key shortcuts").uncheck();
    await page.goto(`${site.url}/s/${session.id}`);
    await titled(page, session.title).waitFor();
    await page.keyboard.press("1");
    await page.keyboard.press("?");
    expect(await page.getByRole("dialog").count()).toBe(0);
    expect(await page.locator("[data-picked=true]").count()).toBe(0);
  });
});

describe("one question, two people", () => {
  test("the slower one sees who was faster and keeps the words that were written", async () => {
    const slow = await person();
    const session = await ask(site.agent, "Who answers first?");
    await slow.page.goto(`${site.url}/s/${session.id}`);
    await titled(slow.page, session.title).waitFor();
    await slow.page.getByRole("textbox", { name: "Your answer" }).fill("My slow answer");
    await site.agent.answerSession({
      sessionId: session.id,
      requestId: "fast",
      value: { kind: { case: "text", value: { text: "The fast answer" } } },
      responderName: "Li Wei",
      channelId: "cli",
    });
    await slow.page
      .getByText(/Answered by Li Wei in the command line/)
      .first()
      .waitFor();
    await slow.page.getByText("The fast answer").waitFor();
    expect(await slow.page.getByLabel("What you wrote").inputValue()).toBe("My slow answer");
    await slow.page.getByRole("button", { name: "Send answer" }).waitFor({ state: "detached" });
  });

  test("an answer that crosses another one is told the truth, in the same second", async () => {
    const { page } = await person();
    const session = await ask(site.agent, "Crossing answers?");
    await page.goto(`${site.url}/s/${session.id}`);
    await page.getByRole("textbox", { name: "Your answer" }).fill("Crossed");
    // The page does not hear of the other answer before its own is on the way.
    await page.route("**/AnswerSession", async (route) => {
      await site.agent.answerSession({
        sessionId: session.id,
        requestId: "other",
        value: { kind: { case: "text", value: { text: "First" } } },
        responderName: "Li Wei",
      });
      await route.continue();
    });
    await page.keyboard.press("Control+Enter");
    await page.getByText("Someone was faster.").waitFor();
    await page.getByText("First", { exact: true }).waitFor();
    expect(await page.getByLabel("What you wrote").inputValue()).toBe("Crossed");
    const ended = await answered(site.agent, session.id);
    expect(answerOf(ended.answer?.value)).toBe("First");
  });

  test("a deadline that passes while somebody types says so and keeps the words", async () => {
    const { page } = await person();
    const session = await ask(site.agent, "Quick, before it ends?", { timeout: { seconds: 3n } });
    await page.goto(`${site.url}/s/${session.id}`);
    const field = page.getByRole("textbox", { name: "Your answer" });
    await field.fill("Almost");
    await page
      .locator("article")
      .getByText(/Nobody answered by \d\d:\d\d\. Nothing was decided\./)
      .waitFor();
    expect(await page.getByLabel("What you wrote").inputValue()).toBe("Almost");
  });

  test("without a network the answer stays on the page and is sent again by Retry", async () => {
    const { page } = await person();
    const session = await ask(site.agent, "Through a bad network?");
    await page.goto(`${site.url}/s/${session.id}`);
    const field = page.getByRole("textbox", { name: "Your answer" });
    await field.fill("Still here");
    await page.route("**/AnswerSession", (route) => route.abort(), { times: 1 });
    await page.getByRole("button", { name: "Send answer" }).click();
    await page.locator("article").getByText("The answer did not get through.").waitFor();
    expect(await field.inputValue()).toBe("Still here");
    await page.getByRole("button", { name: "Try again" }).click();
    await receipt(page).waitFor();
    expect(answerOf((await answered(site.agent, session.id)).answer?.value)).toBe("Still here");
  });

  test("an answer whose receipt was lost on the way is still known as one's own", async () => {
    const { page } = await person();
    const session = await ask(site.agent, "Is the receipt lost?");
    await page.goto(`${site.url}/s/${session.id}`);
    await page.getByRole("textbox", { name: "Your answer" }).fill("Taken");
    await page.route("**/AnswerSession", async (route) => {
      await route.fetch();
      await route.abort();
    });
    await page.getByRole("button", { name: "Send answer" }).click();
    await receipt(page).waitFor();
    expect(await page.getByLabel("What you wrote").count()).toBe(0);
  });
});

test("what agents write is text and nothing else", async () => {
  const { page } = await person();
  const session = await ask(site.agent, "<img src=x onerror=alert(1)>", {
    body: "<script>document.title='owned'</script>\n<b>bold</b>",
  });
  await page.goto(`${site.url}/s/${session.id}`);
  await titled(page, "<img src=x onerror=alert(1)>").waitFor();
  await page.getByText("<b>bold</b>").waitFor();
  expect(await page.locator("article img, article b, article script").count()).toBe(0);
});
