import type { AuditEntry } from "@hil/platform/audit/audit-log.ts";
import type { RelayDrain } from "./relay-store.ts";

/** What the audit log keeps of who wanted a relay's stream to end. */
export function drainEntry(
  { tenantId, name, principalId, reason, nowMs }: RelayDrain,
  epoch: number,
): AuditEntry {
  return {
    tenantId,
    principalId,
    action: "relay.drained",
    resource: `relay/${name}`,
    after: { epoch, reason },
    time: new Date(nowMs),
  };
}
