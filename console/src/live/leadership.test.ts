import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { takePart } from "./leadership.ts";

// Node's own Web Locks stand in for the browser's: the tabs of a test share them.
beforeEach(() => void vi.stubGlobal("document", { visibilityState: "visible" }));
afterEach(() => void vi.unstubAllGlobals());

/** A tab that leads until it is told to stop. */
function startTab({ silenceMs = 60_000, lastHeardMs = () => Date.now() } = {}) {
  const closing = new AbortController();
  const tab = { leads: false, terms: 0, closed: Promise.resolve(), close: () => closing.abort() };
  tab.closed = takePart({
    lead: (signal) => {
      tab.leads = true;
      tab.terms += 1;
      return new Promise((resolve) => {
        const end = () => {
          tab.leads = false;
          resolve();
        };
        if (signal.aborted) end();
        else signal.addEventListener("abort", end);
      });
    },
    lastHeardMs,
    silenceMs,
    signal: closing.signal,
  });
  return tab;
}

test("T1, T2: one tab leads, and the next takes over when it closes", async () => {
  const tabs = [startTab(), startTab(), startTab()];
  await vi.waitFor(() => expect(tabs.filter((tab) => tab.leads).length).toBe(1));
  const leader = tabs.find((tab) => tab.leads)!;
  leader.close();
  await leader.closed;
  await vi.waitFor(() => expect(tabs.filter((tab) => tab.leads).length).toBe(1));
  expect(leader.leads).toBe(false);
  for (const tab of tabs) tab.close();
  await Promise.all(tabs.map((tab) => tab.closed));
});

test("T3: a silent leader loses the lead to a tab that somebody looks at, and waits its turn again", async () => {
  const silent = startTab();
  await vi.waitFor(() => expect(silent.leads).toBe(true));
  const watching = startTab({ silenceMs: 40, lastHeardMs: () => 0 });
  await vi.waitFor(() => expect(watching.leads).toBe(true));
  await vi.waitFor(() => expect(silent.leads).toBe(false));
  watching.close();
  await watching.closed;
  await vi.waitFor(() => expect(silent.terms).toBe(2));
  silent.close();
  await silent.closed;
});

test("T4: without locks a tab leads by itself", async () => {
  vi.stubGlobal("navigator", {});
  const tab = startTab();
  await vi.waitFor(() => expect(tab.leads).toBe(true));
  tab.close();
  await tab.closed;
});
