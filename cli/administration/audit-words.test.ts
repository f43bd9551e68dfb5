import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type AuditRecord, AuditRecordSchema } from "@hil/gen/hil/access/v1/audit_pb.ts";
import { expect, test } from "vitest";
import { auditTable, changeWords, newestFirst } from "./audit-words.ts";

const record = (init: Partial<AuditRecord>, ms = 0) =>
  create(AuditRecordSchema, { ...init, time: timestampFromMs(ms) } as never);

test("a change is shown as what it was and what it is", () => {
  const change = { before: '{"state":"active","roles":["a"]}', after: '{"state":"suspended","roles":["a"]}' };
  expect(changeWords(record(change))).toBe("state: active → suspended");
  expect(changeWords(record({ after: '{"name":"ci","version":1}' }))).toBe("name: ci, version: 1");
  expect(changeWords(record({ before: '{"name":"ci"}' }))).toBe("name: ci → –");
  expect(changeWords(record({ after: "a form\nof later" }))).toBe("value: a form of later");
});

test("records of several services are one list, newest first", () => {
  const lists = [[record({ action: "c" }, 30), record({ action: "a" }, 10)], [record({ action: "b" }, 20)]];
  expect(newestFirst(lists, 2).map(({ action }) => action)).toEqual(["c", "b"]);
});

test("what others wrote into a record cannot move the cursor", () => {
  const lines = auditTable(
    [record({ principalId: "a\u001b[2J", action: "x\ny", resource: "r", after: '{"n":"\u001b[1m"}' })],
    {
      t: (en) => en,
      now: () => new Date(0),
      locale: "en",
      columns: undefined,
    },
  );
  expect(lines).toHaveLength(2);
  expect(lines.join("")).not.toContain("\u001b");
});
