// Where audit records are kept: each service has the log of what was done in it.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { AuditRecord } from "@hil/gen/hil/access/v1/audit_pb.ts";
import type { Connection } from "../client.ts";
import { pages } from "../paging.ts";
import { type PointInTime, timeOf } from "../point-in-time.ts";

export const AUDIT_SERVICES = ["access", "session", "delivery", "callback"] as const;
export type AuditService = (typeof AUDIT_SERVICES)[number];

export interface AuditFilterOptions {
  readonly tenant?: string;
  readonly service?: AuditService;
  readonly who?: string;
  readonly action?: string;
  readonly resource?: string;
  readonly since?: PointInTime;
  readonly until?: PointInTime;
}

/**
 * The services to ask. Only the access service opens another tenant's log to an owner; the others keep to the tenant
 * of the key.
 */
export function servicesOf({ service, tenant }: AuditFilterOptions): readonly AuditService[] {
  if (service) return [service];
  return tenant ? ["access"] : AUDIT_SERVICES;
}

/** The records of one service, newest first. */
export function auditRecords(
  { access, sessions, delivery, callback }: Connection,
  service: AuditService,
  options: AuditFilterOptions,
  now: Date,
  limit?: number,
): AsyncGenerator<AuditRecord> {
  const { tenant: tenantId = "", who = "", action = "", resource = "", since, until } = options;
  const filter = {
    principalId: who,
    action,
    resource,
    since: since && timestampFromDate(timeOf(since, now)),
    until: until && timestampFromDate(timeOf(until, now)),
  };
  return pages(async (page) => {
    const request = { filter, ...page };
    const { records, nextPageToken } = await (() => {
      switch (service) {
        case "access":
          return access.listAuditRecords({ tenantId, ...request });
        case "session":
          return sessions.listAuditRecords(request);
        case "delivery":
          return delivery.listAuditRecords(request);
        case "callback":
          return callback.listAuditRecords(request);
      }
    })();
    return { items: records, nextPageToken };
  }, limit);
}
