import { create } from "@bufbuild/protobuf";
import { InteractionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkAnswer } from "./check-answer.ts";
import { readReply } from "./read-reply.ts";

const confirm = create(InteractionSchema, {
  kind: {
    case: "confirmation",
    value: {
      options: [
        { value: "yes", label: "Deploy" },
        { value: "no", label: "Keep old version", refuses: true },
      ],
    },
  },
});
const pick = create(InteractionSchema, {
  kind: {
    case: "selection",
    value: {
      options: [
        { value: "eu", label: "Europe" },
        { value: "us", label: "United States" },
        { value: "cn", label: "中国" },
        { value: "7" },
      ],
      minChoices: 1,
      maxChoices: 2,
    },
  },
});
const decided = (text: string) => {
  const reading = readReply(confirm, text, []);
  return reading.kind === "value" && reading.value.kind.case === "confirmation"
    ? reading.value.kind.value.value
    : undefined;
};
const picked = (text: string) => {
  const reading = readReply(pick, text, []);
  return reading.kind === "value" && reading.value.kind.case === "selection"
    ? reading.value.kind.value.values
    : undefined;
};

test.each([
  ["yes", "yes"],
  ["YES!", "yes"],
  ["是的。", "yes"],
  ["同意", "yes"],
  ["ok", "yes"],
  ["1", "yes"],
  ["１", "yes"],
  ["1.", "yes"],
  ["Deploy", "yes"],
  [" deploy ", "yes"],
  ["no", "no"],
  ["不行", "no"],
  ["拒绝", "no"],
  ["2", "no"],
  ["keep old version", "no"],
])("%j decides %j", (text, value) => {
  expect(decided(text)).toBe(value);
});

test.each([
  ["yes, but only on Monday"],
  ["yes no"],
  ["3"],
  ["0"],
  ["maybe"],
  [""],
  ["不同意吗"],
  ["deploy keep"],
])("%j decides nothing: what is not clearly an answer is not one", (text) => {
  expect(decided(text)).toBeUndefined();
});

test("what stands below the answer is a note", () => {
  expect(readReply(confirm, "no\nwait for Monday", [])).toMatchObject({
    kind: "value",
    note: "wait for Monday",
  });
});

test("a word of consent decides nothing where two options consent", () => {
  const two = create(InteractionSchema, {
    kind: {
      case: "confirmation",
      value: { options: [{ value: "now" }, { value: "later" }, { value: "never", refuses: true }] },
    },
  });
  expect(readReply(two, "yes", []).kind).toBe("unreadable");
  expect(readReply(two, "no", [])).toMatchObject({ kind: "value" });
});

test.each([
  ["1", ["eu"]],
  ["Europe", ["eu"]],
  ["united states", ["us"]],
  ["3,1", ["eu", "cn"]],
  ["1、2", ["eu", "us"]],
  ["1 和 2", ["eu", "us"]],
  ["Europe, United States", ["eu", "us"]],
  ["7", ["7"]],
  ["中国", ["cn"]],
  ["1 1", ["eu"]],
])("%j picks %j", (text, values) => {
  expect(picked(text)).toEqual(values);
});

test.each([["1,2,3"], ["5"], ["1 and a half"], [""]])("%j picks nothing", (text) => {
  expect(picked(text)).toBeUndefined();
});

test("whatever is read as an answer is one: it passes the check that direct answers pass", () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: "grapheme" }),
    fc.constantFrom("1", "2 3", "yes\nx", "其他"),
  );
  const interactions = fc.constantFrom(
    confirm,
    pick,
    create(InteractionSchema, { kind: { case: "text", value: { minLength: 2, maxLength: 5 } } }),
    create(InteractionSchema, { kind: { case: "notice", value: {} } }),
    create(InteractionSchema, {
      kind: { case: "selection", value: { options: [{ value: "a" }], otherAllowed: true } },
    }),
  );
  fc.assert(
    fc.property(interactions, text, fc.array(fc.webUrl(), { maxLength: 3 }), (interaction, words, images) => {
      const reading = readReply(interaction, words, images);
      if (reading.kind === "value") checkAnswer(interaction, reading.value, "s");
    }),
    { numRuns: 5_000 },
  );
});
