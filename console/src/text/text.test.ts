import { describe, expect, test } from "vitest";
import { en } from "./en.ts";
import { clockTime, listed, plural, remaining } from "./format.ts";
import { chooseLanguage } from "./text.ts";
import { zhCN } from "./zh-cn.ts";

const S = 1000;

test.each([
  [-5 * S, "0:00"],
  [45 * S, "0:45"],
  [105 * S, "1:45"],
  [119 * S, "1:59"],
  [120 * S, "2 min"],
  [12 * 60 * S + 59 * S, "12 min"],
  [3 * 3600 * S, "3 hr"],
  [3 * 86400 * S, "3 days"],
])("%d ms left reads %s", (leftMs, shown) => expect(remaining("en", leftMs)).toBe(shown));

test("a number takes the word that goes with it", () => {
  expect(en.waitingCount(1)).toBe("1 question waits for an answer");
  expect(en.waitingCount(2)).toBe("2 questions wait for an answer");
  expect(plural("zh-CN", 1, { other: "# 个" })).toBe("1 个");
});

test("a time of today has no date, one of another day has", () => {
  const now = new Date(2026, 10, 20, 12, 0);
  expect(clockTime("en", new Date(2026, 10, 20, 9, 5), now)).toBe("09:05");
  expect(clockTime("en", new Date(2026, 10, 19, 9, 5), now)).toMatch(/Nov 19.*09:05/);
  expect(listed("en", ["A", "B", "C"])).toBe("A, B, and C");
});

test("the language is the chosen one, else the browser's first that is spoken here, else English", () => {
  expect(chooseLanguage("zh-CN", ["en"])).toBe("zh-CN");
  expect(chooseLanguage("system", ["fr", "zh-TW", "en"])).toBe("zh-CN");
  expect(chooseLanguage("system", ["fr"])).toBe("en");
});

describe.each([
  ["en", en],
  ["zh-CN", zhCN],
])("the catalogue %s", (_language, catalogue) => {
  test("says something for every key", () => {
    const silent: string[] = [];
    const walk = (value: unknown, path: string) => {
      const said = typeof value === "function" ? value(2, 3, "x") : value;
      if (typeof said === "string" ? said.trim() === "" : said === undefined) silent.push(path);
      else if (typeof said === "object")
        for (const [key, each] of Object.entries(said!)) walk(each, `${path}.${key}`);
    };
    walk(catalogue, "");
    // The first state and disposition of the contract are never sent.
    expect(silent).toEqual([".deliveryStates.0", ".dispositions.0"]);
  });

  test("has a word for as many event types, delivery states and dispositions as English", () => {
    for (const list of ["events", "deliveryStates", "dispositions"] as const) {
      expect(catalogue[list].length).toBe(en[list].length);
    }
    expect(Object.keys(catalogue.channels)).toEqual(Object.keys(en.channels));
  });
});
