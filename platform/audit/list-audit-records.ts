import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { type AuditFilter, type AuditRecord, AuditRecordSchema } from "@hil/gen/hil/access/v1/audit_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "../errors/hil-error.ts";
import type { AuditLog, AuditQuery, AuditRow } from "./audit-log.ts";

const DEFAULT_PAGE_SIZE = 50;
/** Records that one call looks at, so that a filter that fits few of millions keeps nobody waiting: some 20 ms. */
export const MOST_SCANNED = 20_000;

/**
 * A page of a tenant's records, newest first: what ListAuditRecords answers. A page may have fewer records than asked
 * for, or none, and still be followed by another.
 */
export async function listAuditRecords(
  log: AuditLog,
  tenantId: string,
  request: { readonly filter?: AuditFilter; readonly pageSize: number; readonly pageToken: string },
): Promise<{ records: AuditRecord[]; nextPageToken: string }> {
  const limit = request.pageSize || DEFAULT_PAGE_SIZE;
  const before = request.pageToken === "" ? (await log.newest(tenantId)) + 1 : sequenceOf(request.pageToken);
  const from = Math.max(1, before - MOST_SCANNED);
  const rows = await log.list(tenantId, queryOf(request.filter), limit, before, from);
  const next = rows.length === limit ? rows.at(-1)!.sequence : from;
  return {
    records: rows.map((row) => recordOf(log.service, tenantId, row)),
    nextPageToken: next > 1 ? String(next) : "",
  };
}

function queryOf(filter: AuditFilter | undefined): AuditQuery {
  return {
    principalId: filter?.principalId ?? "",
    action: filter?.action ?? "",
    resource: filter?.resource ?? "",
    sinceMs: filter?.since && timestampMs(filter.since),
    untilMs: filter?.until && timestampMs(filter.until),
  };
}

function recordOf(service: string, tenantId: string, row: AuditRow): AuditRecord {
  return create(AuditRecordSchema, {
    sequence: BigInt(row.sequence),
    tenantId,
    service,
    time: timestampFromMs(row.time),
    principalId: row.principal_id,
    action: row.action,
    resource: row.resource,
    before: row.before,
    after: row.after,
    seal: row.seal,
  });
}

function sequenceOf(pageToken: string): number {
  if (/^[1-9]\d{0,14}$/.test(pageToken)) return Number(pageToken);
  throw hilError(
    Code.InvalidArgument,
    ErrorReason.PAGE_TOKEN_INVALID,
    `page_token ${JSON.stringify(pageToken)} was not made by this list; start again without one`,
    { page_token: pageToken },
  );
}
