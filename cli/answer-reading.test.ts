import { create } from "@bufbuild/protobuf";
import { InteractionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { describe, expect, test } from "vitest";
import { readAnswer } from "./answer-reading.ts";
import { valueLines } from "./session-words.ts";

const yesNo = [
  { value: "yes", label: "是" },
  { value: "no", label: "否", refuses: true },
];
const confirmation = create(InteractionSchema, {
  kind: { case: "confirmation", value: { options: yesNo } },
});
const regions = [{ value: "eu", label: "Europe" }, { value: "us" }, { value: "10" }];
const selection = (otherAllowed = false) =>
  create(InteractionSchema, {
    kind: { case: "selection", value: { options: regions, maxChoices: 3, otherAllowed } },
  });
const text = create(InteractionSchema, { kind: { case: "text", value: {} } });

function read(interaction: Parameters<typeof readAnswer>[0], typed: string): string[] | string {
  const reading = readAnswer(interaction, typed);
  return reading.kind === "value" ? valueLines(reading.value) : reading.kind;
}

describe("a decision", () => {
  test.each([
    ["yes", "yes"],
    ["Y", "yes"],
    ["是", "yes"],
    ["同意", "yes"],
    ["1", "yes"],
    ["１", "yes"],
    ["no", "no"],
    ["否", "no"],
    ["拒绝", "no"],
    ["2", "no"],
  ])("%s decides %s", (typed, value) => {
    expect(read(confirmation, typed)).toEqual([value]);
  });

  test.each(["", "yes, but later", "maybe", "3", "0"])("%j decides nothing", (typed) => {
    expect(read(confirmation, typed)).toBe("unclear");
  });

  test("a word of consent is not guessed between two options that consent", () => {
    const options = [{ value: "now" }, { value: "tonight" }, { value: "never", refuses: true }];
    const three = create(InteractionSchema, { kind: { case: "confirmation", value: { options } } });
    expect(read(three, "ok")).toBe("unclear");
    expect(read(three, "no")).toEqual(["never"]);
  });
});

describe("a choice", () => {
  test.each([
    ["eu", ["eu"]],
    ["europe", ["eu"]],
    ["2", ["us"]],
    ["2,1", ["eu", "us"]],
    ["us，Europe", ["eu", "us"]],
    ["1, 10", ["eu", "10"]],
  ])("%s chooses %j, in the order of the list", (typed, values) => {
    expect(read(selection(), typed)).toEqual(values);
  });

  test("a number that is an option's value means that option, not its place", () => {
    expect(read(selection(), "10")).toEqual(["10"]);
  });

  test("what is not in the list is refused, unless something else is allowed", () => {
    expect(read(selection(), "asia")).toBe("unclear");
    expect(read(selection(), "eu,asia")).toBe("unclear");
    expect(read(selection(true), "asia")).toEqual(["asia"]);
  });
});

test("a text is taken as it is", () => {
  expect(read(text, " yes,\nbut later ")).toEqual([" yes,\nbut later "]);
});

test("a kind of question that this version does not know is not answered", () => {
  expect(read(create(InteractionSchema, {}), "yes")).toBe("unsupported");
});
