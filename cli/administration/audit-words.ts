// Audit records in words for a terminal.

import { timestampDate, timestampMs } from "@bufbuild/protobuf/wkt";
import type { AuditRecord } from "@hil/gen/hil/access/v1/audit_pb.ts";
import { clockTime } from "../relative-time.ts";
import { oneLine, tableLines } from "../table.ts";
import type { Terminal } from "../terminal.ts";

/** Records of several services as one list, newest first, at most so many. */
export function newestFirst(lists: readonly (readonly AuditRecord[])[], limit: number): AuditRecord[] {
  const timeMs = ({ time }: AuditRecord) => (time ? timestampMs(time) : 0);
  return lists
    .flat()
    .sort((one, other) => timeMs(other) - timeMs(one))
    .slice(0, limit);
}

/** The records as lines, with a head. */
export function auditTable(
  records: readonly AuditRecord[],
  { t, now, locale, columns }: Pick<Terminal, "t" | "now" | "locale" | "columns">,
): string[] {
  const head = [
    t("TIME", "时间"),
    t("WHO", "操作者"),
    t("ACTION", "操作"),
    t("ON", "对象"),
    t("CHANGE", "变化"),
  ];
  const rows = records.map((record) => [
    record.time ? clockTime(timestampDate(record.time), now(), locale) : "–",
    oneLine(record.principalId),
    oneLine(record.action),
    oneLine(record.resource),
    changeWords(record),
  ]);
  return tableLines([head, ...rows], { columns, flexible: 4 });
}

/** "state: active → suspended"; for something new, what it is. */
export function changeWords({ before, after }: AuditRecord): string {
  const [was, is] = [fieldsOf(before), fieldsOf(after)];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return oneLine(
    names
      .filter((name) => valueWord(was[name]) !== valueWord(is[name]))
      .map((name) => {
        const [from, to] = [valueWord(was[name]), valueWord(is[name])];
        return from === "" ? `${name}: ${to}` : `${name}: ${from} → ${to || "–"}`;
      })
      .join(", "),
  );
}

function fieldsOf(json: string): Record<string, unknown> {
  if (json === "") return {};
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? { ...value } : { value };
  } catch {
    return { value: json }; // written by a newer version in another form: shown as it is
  }
}

function valueWord(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
