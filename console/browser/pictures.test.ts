import { jpeg, png, pngChunk } from "@hil/platform/pictures/testing/sample-pictures.ts";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPerson, signIn, startBrowser } from "./testing/browser.ts";
import { type ConsoleSite, startConsoleSite } from "./testing/console-site.ts";
import { TEXT } from "./testing/questions.ts";

let site: ConsoleSite;
let browser: Browser;
let context: BrowserContext;
let complaints: string[];

beforeAll(async () => {
  [site, browser] = await Promise.all([startConsoleSite(), startBrowser()]);
  ({ context, complaints } = await openPerson(browser));
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
});

test("I13: pictures are shown, and opened by themselves they run nothing and are kept to this site", async () => {
  // Not a page by any sign that is looked for, and still what an attacker would try first.
  const note = pngChunk("tEXt", Buffer.from('Comment\0"><img src=x onerror=alert(1)>'));
  const { session } = await site.agent.createSession({
    title: "Which of the two?",
    interaction: TEXT,
    attachments: [
      { name: "a\u202egnp.html", data: png(20, 10, [note]) },
      { name: "../b.jpg", data: jpeg(16, 24) },
    ],
  });
  expect(session!.attachments.map(({ name }) => name)).toEqual(["agnp.html", ".._b.jpg"]);
  const page = await signIn(context, site.signInUrl());
  await page.goto(`${site.url}/s/${session!.id}`);
  await page.locator("img").nth(1).waitFor();
  const sizes = () =>
    page
      .locator("img")
      .evaluateAll((all) =>
        (all as unknown as { naturalWidth: number; naturalHeight: number }[]).map((each) => [
          each.naturalWidth,
          each.naturalHeight,
        ]),
      );
  await expect.poll(sizes).toEqual([
    [20, 10],
    [16, 24],
  ]);
  expect(complaints).toEqual([]);

  const dialogs: string[] = [];
  page.on("dialog", (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  const response = await page.goto(`${site.url}/api/console/attachments/${session!.id}/1`);
  expect(response!.headers()).toMatchObject({
    "content-type": "image/png",
    "content-disposition": 'inline; filename="1.png"',
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
  });
  expect(dialogs).toEqual([]);
});
