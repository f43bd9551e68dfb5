import { expect, test } from "vitest";
import { check, replyTextOf, resumeTimes } from "./checkers.ts";
import type { Entry } from "./history.ts";

/** A history in which all went well: one question, shown, answered, told. */
const GOOD: readonly Entry[] = [
  { at: 1, kind: "asked", request: "r1", session: "s1", shortId: "aaaaaaaa", rival: "none" },
  { at: 2, kind: "waiting", request: "r1" },
  { at: 3, kind: "shown", shortId: "aaaaaaaa", text: "…" },
  { at: 4, kind: "replied", message: "m1", shortId: "aaaaaaaa", text: replyTextOf("aaaaaaaa", 1) },
  { at: 5, kind: "reply_acked", message: "m1" },
  {
    at: 9,
    kind: "resumed",
    request: "r1",
    session: "s1",
    outcome: "ANSWERED",
    answer: replyTextOf("aaaaaaaa", 1),
  },
  {
    at: 20,
    kind: "final_session",
    session: "s1",
    shortId: "aaaaaaaa",
    outcome: "ANSWERED",
    answer: replyTextOf("aaaaaaaa", 1),
    answeredBy: "m1",
    accepted: 1,
    ends: 1,
  },
  { at: 21, kind: "final_inbound", message: "m1", disposition: "ATTACHED", session: "s1" },
];

const without = (kind: Entry["kind"]) => GOOD.filter((entry) => entry.kind !== kind);
const changed = <K extends Entry["kind"]>(kind: K, change: Partial<Extract<Entry, { kind: K }>>) =>
  GOOD.map((entry) => (entry.kind === kind ? ({ ...entry, ...change } as Entry) : entry));
const broken = (history: readonly Entry[]) => [...new Set(check(history).map(({ promise }) => promise))];

test("a history in which all went well breaks nothing", () => {
  expect(check(GOOD)).toEqual([]);
  expect(resumeTimes(GOOD)).toEqual([4]);
});

test.each<[string, string[], readonly Entry[]]>([
  ["a reply that was acknowledged and is gone", ["I1"], without("final_inbound")],
  ["a reply that is there twice", ["I1"], [...GOOD, GOOD.at(-1)!]],
  ["a reply that is still pending", ["I1"], changed("final_inbound", { disposition: "UNSPECIFIED" })],
  ["a session that is gone", ["I1"], without("final_session")],
  ["two accepted replies", ["I2"], changed("final_session", { accepted: 2 })],
  [
    "an answer to another question",
    ["I2", "I3"],
    changed("final_session", { answer: replyTextOf("bbbbbbbb", 1) }),
  ],
  ["a second end", ["I3"], changed("final_session", { ends: 2 })],
  ["a waiter that was told something else", ["I3"], changed("resumed", { outcome: "EXPIRED", answer: "" })],
  [
    "an end that was confirmed and is another",
    ["I4"],
    [...GOOD, { at: 6, kind: "ended_directly", session: "s1", outcome: "CANCELLED", answer: "" }],
  ],
  ["a copy without a fault", ["I5"], [...GOOD, { at: 8, kind: "shown", shortId: "aaaaaaaa", text: "…" }]],
  ["a waiter that was never told", ["I7"], without("resumed")],
  [
    "a second session for one request",
    ["I1", "I8"],
    [...GOOD, { at: 7, kind: "asked", request: "r1", session: "s2", shortId: "aaaaaaaa", rival: "none" }],
  ],
])("%s is found", (_, promises, history) => {
  expect(broken(history).sort()).toEqual(promises);
});

test("a question that was kept, never shown and never answered is found", () => {
  const history = changed("final_session", {
    outcome: "EXPIRED",
    answer: "",
    answeredBy: "",
    accepted: 0,
  }).filter(({ kind }) => kind === "asked" || kind === "final_session");
  expect(broken(history)).toEqual(["I5"]);
});

test("a question that its deadline or its asker ended before it was shown is none", () => {
  for (const [rival, outcome] of [
    ["deadline", "EXPIRED"],
    ["cancel", "CANCELLED"],
  ] as const) {
    const history: Entry[] = [
      { at: 1, kind: "asked", request: "r1", session: "s1", shortId: "aaaaaaaa", rival },
      {
        at: 2,
        kind: "final_session",
        session: "s1",
        shortId: "aaaaaaaa",
        outcome,
        answer: "",
        answeredBy: "",
        accepted: 0,
        ends: 1,
      },
    ];
    expect(check(history)).toEqual([]);
  }
});

test("one message that answers two sessions is found", () => {
  const second = GOOD.flatMap((entry): Entry[] =>
    entry.kind === "final_session" ? [{ ...entry, session: "s2" }] : [],
  );
  expect(broken([...GOOD, ...second])).toEqual(["I2"]);
});
