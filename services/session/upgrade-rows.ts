// Brings rows up to date that earlier versions of HIL or older master keys wrote, a few at a time.

import type { Sqlite } from "@hil/platform/storage/sqlite.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { SESSION_COLUMNS, type SessionCodec, type SessionRow } from "./session-codec.ts";
import type { SessionStore } from "./session-store.ts";

/** Rows of one write. */
const SOME = 100;

/** Goes through all rows that need it, beside everything else. Returns what stops it. */
export function startUpgrade({ store, log }: { store: Pick<SessionStore, "upgradeRows">; log: Log }): {
  close(): Promise<void>;
} {
  let closed = false;
  const run = async () => {
    let total = 0;
    for (let rows = 1; rows > 0 && !closed; total += rows) rows = await store.upgradeRows(SOME);
    if (total > 0) log.info({ rows: total }, "brought rows of earlier versions and keys up to date");
  };
  const running = run().catch((error: unknown) => {
    log.warn({ err: error }, "some rows of earlier versions and keys stay as they are until the next start");
  });
  return {
    async close() {
      closed = true;
      await running;
    },
  };
}

/** Changes up to `limit` rows. Returns how many there were; 0: none is left. Runs inside a write. */
export function upgradeRows(db: Sqlite, codec: SessionCodec, limit: number): number {
  return (
    completeOutcomes(db, codec, limit) ||
    rewrapSessions(db, codec, limit) ||
    rewrapAttachments(db, codec, limit) ||
    rewrapGuidance(db, codec, limit)
  );
}

/** Whether an answer refused stands in the session only; before statistics, nobody searched for it. */
function completeOutcomes(db: Sqlite, codec: SessionCodec, limit: number): number {
  const rows = db.all<SessionRow>(
    `SELECT ${SESSION_COLUMNS} FROM session WHERE outcome IS NULL LIMIT ?`,
    limit,
  );
  for (const row of rows) {
    db.sql("UPDATE session SET outcome = ? WHERE tenant_id = ? AND id = ?").run(
      codec.decode(row).outcome,
      row.tenant_id,
      row.id,
    );
  }
  return rows.length;
}

function rewrapSessions(db: Sqlite, codec: SessionCodec, limit: number): number {
  const rows = db.all<SessionRow>(
    `SELECT ${SESSION_COLUMNS} FROM session
     WHERE sealed = 1 AND substr(resource, 1, ?) <> ? LIMIT ?`,
    codec.newestPrefix.length,
    codec.newestPrefix,
    limit,
  );
  for (const row of rows) {
    db.sql("UPDATE session SET resource = ? WHERE tenant_id = ? AND id = ?").run(
      codec.rewrapSession(row),
      row.tenant_id,
      row.id,
    );
  }
  return rows.length;
}

function rewrapAttachments(db: Sqlite, codec: SessionCodec, limit: number): number {
  const rows = db.all<{ tenant_id: string; session_id: string; number: number; data: Uint8Array }>(
    `SELECT attachment.* FROM session
     JOIN attachment ON attachment.tenant_id = session.tenant_id AND attachment.session_id = session.id
     WHERE sealed = 1 AND substr(data, 1, ?) <> ? LIMIT ?`,
    codec.newestPrefix.length,
    codec.newestPrefix,
    limit,
  );
  for (const { tenant_id, session_id, number, data } of rows) {
    db.sql("UPDATE attachment SET data = ? WHERE tenant_id = ? AND session_id = ? AND number = ?").run(
      codec.rewrapAttachment(data, tenant_id, session_id, number),
      tenant_id,
      session_id,
      number,
    );
  }
  return rows.length;
}

function rewrapGuidance(db: Sqlite, codec: SessionCodec, limit: number): number {
  const rows = db.all<{ tenant_id: string; inbound_id: string; guidance: Uint8Array }>(
    `SELECT reply.tenant_id, reply.inbound_id, reply.guidance FROM session
     JOIN submitted_reply reply ON reply.tenant_id = session.tenant_id AND reply.session_id = session.id
     WHERE sealed = 1 AND typeof(guidance) = 'blob' AND substr(guidance, 1, ?) <> ? LIMIT ?`,
    codec.newestPrefix.length,
    codec.newestPrefix,
    limit,
  );
  for (const { tenant_id, inbound_id, guidance } of rows) {
    db.sql("UPDATE submitted_reply SET guidance = ? WHERE tenant_id = ? AND inbound_id = ?").run(
      codec.rewrapGuidance(guidance, tenant_id, inbound_id),
      tenant_id,
      inbound_id,
    );
  }
  return rows.length;
}
