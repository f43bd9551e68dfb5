import { type DescMessage, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import type { Principal } from "@hil/platform/auth/principal.ts";
import type { AuditEntry } from "./access-store.ts";

/** What the server counts by itself; it says nothing about who did what. */
const COUNTED = new Set(["update_time", "version", "last_used_time"]);

/** Who changes something, and when. */
export interface Author {
  readonly principal: Pick<Principal, "id">;
  readonly time: Date;
}

/** The record of a change. `before` and `after` keep only what differs; undefined for what was not or is no more. */
export function auditEntry<D extends DescMessage>(
  { principal, time }: Author,
  desc: D,
  change: {
    readonly tenantId: string;
    readonly action: string;
    readonly resource: string;
    readonly before?: MessageShape<D> | undefined;
    readonly after?: MessageShape<D> | undefined;
  },
): AuditEntry {
  const { tenantId, action, resource } = change;
  const before = fieldsOf(desc, change.before);
  const after = fieldsOf(desc, change.after);
  const differs = (key: string) => JSON.stringify(before?.[key]) !== JSON.stringify(after?.[key]);
  const pick = (fields: Record<string, JsonValue>) =>
    Object.fromEntries(Object.entries(fields).filter(([key]) => differs(key)));
  return {
    tenantId,
    principalId: principal.id,
    action,
    resource,
    ...(before ? { before: pick(before) } : {}),
    ...(after ? { after: pick(after) } : {}),
    time,
  };
}

function fieldsOf<D extends DescMessage>(
  desc: D,
  message: MessageShape<D> | undefined,
): Record<string, JsonValue> | undefined {
  if (!message) return undefined;
  const json = toJson(desc, message, { useProtoFieldName: true }) as Record<string, JsonValue>;
  return Object.fromEntries(Object.entries(json).filter(([key]) => !COUNTED.has(key)));
}
