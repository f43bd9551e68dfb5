// What docs/alerts.yml and docs/operate.md say of metrics, held against those that there are.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readMetrics } from "@hil/platform/telemetry/metrics.ts";
import { beforeAll, expect, test } from "vitest";
import { parse } from "yaml";

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

const DOCS = join(import.meta.dirname, "..", "..", "docs");
const { groups } = parse(readFileSync(join(DOCS, "alerts.yml"), "utf8")) as Rules;
const rules = groups.flatMap((group) => group.rules);
const handbook = readFileSync(join(DOCS, "operate.md"), "utf8");
let metrics: ReadonlyMap<string, string>;

beforeAll(async () => {
  const { text } = await readMetrics();
  metrics = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]));
});

const named = (text: string) =>
  new Set([...text.matchAll(/\b(?:hil|nodejs|process)_[a-z0-9_]+\b/g)].map(([name]) => name));

test("there are alerts, each by a name of its own", () => {
  expect(rules.length).toBeGreaterThan(5);
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
});

test.each(rules)("$alert asks for metrics that there are", ({ expr }) => {
  const missing = [...named(expr.replaceAll(/"[^"]*"/g, ""))].filter((name) => {
    const base = name.replace(/_bucket$/, "");
    return !metrics.has(name) && metrics.get(base) !== "histogram";
  });
  expect(missing).toEqual([]);
});

test("the handbook lists every metric of ours, and an alert watches each that can be watched", () => {
  const ours = [...metrics.keys()].filter((name) => name.startsWith("hil_"));
  expect(ours.length).toBeGreaterThan(10);
  expect(ours.filter((name) => !handbook.includes(`\`${name}`))).toEqual([]);
  const watched = named(rules.map(({ expr }) => expr).join("\n"));
  // They say how it is, not that something is wrong.
  const NOT_WATCHED = ["hil_waits", "hil_time_to_answer_seconds", "hil_relay_inbounds_total"];
  const forgotten = ours.filter((name) => !watched.has(name) && !watched.has(`${name}_bucket`));
  expect(forgotten.sort()).toEqual(NOT_WATCHED.toSorted());
});
