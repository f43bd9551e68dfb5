import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { InteractionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { describe, expect, test } from "vitest";
import { EMPTY_DRAFT } from "./answer-draft.ts";
import { readAnswer } from "./read-answer.ts";

type Kind = NonNullable<MessageInitShape<typeof InteractionSchema>["kind"]>;
const OPTIONS = [{ value: "a" }, { value: "b" }, { value: "c" }];

function read(kind: Kind, draft: Partial<typeof EMPTY_DRAFT>) {
  const result = readAnswer(create(InteractionSchema, { kind }), { ...EMPTY_DRAFT, ...draft });
  return result.kind === "ready" ? result.value.kind.value : result.problem.kind;
}

describe("text", () => {
  const kind: Kind = { case: "text", value: { minLength: 2, maxLength: 4 } };
  test.each([
    ["  ", "text-empty"],
    ["a", "text-short"],
    ["abcde", "text-long"],
  ])("%j is not an answer: %s", (text, problem) => expect(read(kind, { text })).toBe(problem));

  test("characters are counted as people do, and blanks around them are not sent", () => {
    expect(read(kind, { text: " 🙂🙂🙂🙂 " })).toMatchObject({ text: "🙂🙂🙂🙂" });
  });
});

test("a decision needs a choice", () => {
  const kind: Kind = { case: "confirmation", value: { options: OPTIONS } };
  expect(read(kind, {})).toBe("choice-missing");
  expect(read(kind, { chosen: ["b"] })).toMatchObject({ value: "b" });
});

describe("selection", () => {
  const one: Kind = { case: "selection", value: { options: OPTIONS, otherAllowed: true } };
  const two: Kind = { case: "selection", value: { options: OPTIONS, minChoices: 2, maxChoices: 2 } };

  test("without limits it is a choice of one", () => {
    expect(read(one, {})).toBe("choice-missing");
    expect(read(one, { chosen: ["c"] })).toMatchObject({ values: ["c"], other: "" });
  });

  test("something else needs words, and they count as a choice", () => {
    expect(read(one, { otherChosen: true, other: " " })).toBe("other-empty");
    expect(read(one, { otherChosen: true, other: "d" })).toMatchObject({ values: [], other: "d" });
    expect(read(one, { chosen: ["a"], otherChosen: true, other: "d" })).toBe("choices-many");
  });

  test("words of an abandoned something else are not sent", () => {
    expect(read(one, { chosen: ["a"], other: "left over" })).toMatchObject({ other: "" });
  });

  test("limits hold, and the values go out in the list's order", () => {
    expect(read(two, { chosen: ["a"] })).toBe("choices-few");
    expect(read(two, { chosen: ["a", "b", "c"] })).toBe("choices-many");
    expect(read(two, { chosen: ["c", "a"] })).toMatchObject({ values: ["a", "c"] });
  });

  test("a draft's option that the question does not have is left out", () => {
    expect(read(two, { chosen: ["a", "gone", "b"] })).toMatchObject({ values: ["a", "b"] });
  });
});

test("a kind that this console does not know is never answered", () => {
  expect(readAnswer(create(InteractionSchema), { ...EMPTY_DRAFT, text: "x", chosen: ["a"] }).kind).toBe(
    "incomplete",
  );
});
