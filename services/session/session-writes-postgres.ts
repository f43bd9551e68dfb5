// The commands of one turn for one tenant, in one transaction of PostgreSQL, with a handful of statements whatever their
// number.
//
// G1. The tenant's row is locked first and until the end: what was read stays true until what was decided is stored, and
//     cursors are in the order of commits, whichever replica writes.
// G2. A short id that another tenant has taken is not seen, only run into: it is made anew.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Reply_Disposition, Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { PostgresAuditLog } from "@hil/platform/audit/audit-log-postgres.ts";
import { shortId } from "@hil/platform/ids/uuid-v7.ts";
import type { Transaction } from "@hil/platform/storage/postgres.ts";
import { unnest } from "@hil/platform/storage/unnest.ts";
import { isEnded, isNotice, isUntaken } from "./session.ts";
import type { SessionCodec, SessionRow } from "./session-codec.ts";
import type { SubmittedReply } from "./session-store.ts";
import {
  type Command,
  type Known,
  type Outcome,
  requestKey,
  SessionTurn,
  type TenantFigures,
} from "./session-turn.ts";
import { namedBy } from "./visibility.ts";

/** Short ids that are tried before giving up: with 4 billion of them, one collision is rare and eight are a fault. */
const SHORT_ID_TRIES = 8;

const LOCK_TENANT =
  "SELECT log_end, open_sessions, attachment_bytes FROM tenant WHERE tenant_id = $1 FOR UPDATE";
const BEGIN_TENANT = "INSERT INTO tenant (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO NOTHING";
/**
 * Tenant and id come together, so that the planner looks up each by the index: with the tenant alone as a constant it may
 * read all of a tenant's rows, until it has figures of the table.
 */
export const KNOWN_SESSIONS = `SELECT session.tenant_id, session.id, resource, sealed
  FROM unnest($1::text[], $2::text[]) AS given (tenant_id, id)
  JOIN session ON session.tenant_id = given.tenant_id AND session.id = given.id`;
const KNOWN_REQUESTS = `SELECT session.tenant_id, id, resource, sealed, session.asker_id, session.request_id, request_digest
  FROM unnest($1::text[], $2::text[], $3::text[]) AS given (tenant_id, asker_id, request_id)
  JOIN session ON session.tenant_id = given.tenant_id AND session.asker_id = given.asker_id
    AND session.request_id = given.request_id`;
const KNOWN_REPLIES = `SELECT reply.inbound_id, session_id, disposition, guidance, sealed_guidance
  FROM unnest($1::text[], $2::text[]) AS given (tenant_id, inbound_id)
  JOIN submitted_reply reply ON reply.tenant_id = given.tenant_id AND reply.inbound_id = given.inbound_id`;
const CLOSE_CHATS = `UPDATE session_chat SET open = 0 FROM unnest($1::text[], $2::text[]) AS given (tenant_id, id)
  WHERE session_chat.tenant_id = given.tenant_id AND session_chat.session_id = given.id`;

interface TenantRow {
  readonly log_end: string;
  readonly open_sessions: string;
  readonly attachment_bytes: string;
}

export interface SubmittedReplyRow {
  readonly inbound_id: string;
  readonly session_id: string;
  readonly disposition: Reply_Disposition;
  readonly guidance: string;
  readonly sealed_guidance: Uint8Array | null;
}

/** Runs the commands and gives what became of each. `wrote` is called once it is on disk, where anything was stored. */
export async function runCommands(
  transaction: Transaction,
  tenantId: string,
  commands: readonly Command[],
  { codec, audit, wrote }: { codec: SessionCodec; audit: PostgresAuditLog; wrote: () => void },
): Promise<Outcome[]> {
  // What is read behind the lock in one go is read under it: the server runs statements one after the other.
  const lockAndRead = () =>
    Promise.all([lockTenant(transaction, tenantId), readKnown(transaction, tenantId, commands, codec)]);
  let [tenant, read] = await lockAndRead();
  if (!tenant && commands.some(({ kind }) => kind === "create")) {
    await transaction.query(BEGIN_TENANT, [tenantId]);
    [tenant, read] = await lockAndRead();
  }
  if (!tenant) return commands.map(() => ({ kind: "done", result: undefined }));
  const known = { tenant, ...read };
  const turn = new SessionTurn(known, codec);
  const outcomes = commands.map((command) => turn.run(command));
  if (turn.isEmpty) return outcomes;
  await insertSessions(transaction, turn, codec);
  // The audit log comes last: it may change whose rows the transaction sees, and each of the others sends all it has at once.
  await Promise.all([
    updateSessions(transaction, tenantId, turn, codec),
    insertReplies(transaction, tenantId, turn, codec),
    insertEvents(transaction, tenantId, turn),
    audit.append(transaction, turn.auditEntries),
  ]);
  transaction.onCommit(wrote);
  return outcomes.map((outcome, index) => turn.settled(commands[index]!, outcome));
}

/** Locks a tenant until the transaction ends (G1). Undefined for one that there is not. */
export async function lockTenant(
  transaction: Transaction,
  tenantId: string,
): Promise<TenantFigures | undefined> {
  const [row] = await transaction.query<TenantRow>(LOCK_TENANT, [tenantId]);
  return (
    row && {
      cursor: Number(row.log_end),
      openSessions: Number(row.open_sessions),
      attachmentBytes: Number(row.attachment_bytes),
    }
  );
}

async function readKnown(
  transaction: Transaction,
  tenantId: string,
  commands: readonly Command[],
  codec: SessionCodec,
): Promise<Omit<Known, "tenant">> {
  // Of new sessions none: where the id of one is taken, storing it fails.
  const ids = new Set(commands.flatMap((each) => (each.kind === "create" ? [] : [each.id])));
  const asked = commands.flatMap((each) =>
    each.kind === "create" && each.newSession.request ? [each.newSession] : [],
  );
  const inboundIds = new Set(commands.flatMap((each) => (each.kind === "reply" ? [each.inboundId] : [])));
  const [ofIds, ofRequests, ofReplies] = await Promise.all([
    rowsOf<SessionRow>(transaction, KNOWN_SESSIONS, [repeated(tenantId, ids), [...ids]]),
    rowsOf<SessionRow & { asker_id: string; request_id: string; request_digest: Uint8Array }>(
      transaction,
      KNOWN_REQUESTS,
      [
        repeated(tenantId, asked),
        asked.map(({ session }) => session.asker?.principalId ?? ""),
        asked.map(({ request }) => request!.id),
      ],
    ),
    rowsOf<SubmittedReplyRow>(transaction, KNOWN_REPLIES, [repeated(tenantId, inboundIds), [...inboundIds]]),
  ]);
  const sessions = new Map<string, Session>();
  const requests: Known["requests"] = new Map();
  const replies = new Map<string, SubmittedReply>();
  for (const row of [...ofIds, ...ofRequests]) {
    if (!sessions.has(row.id)) sessions.set(row.id, codec.decode(row));
  }
  for (const row of ofRequests) {
    requests.set(requestKey(row.asker_id, row.request_id), { id: row.id, digest: row.request_digest });
  }
  for (const row of ofReplies) replies.set(row.inbound_id, replyOf(row, tenantId, codec));
  return { sessions, requests, replies };
}

/** What a statement finds of each of the things that its arrays name; where there are none it is not sent. */
async function rowsOf<Row>(
  transaction: Transaction,
  text: string,
  arrays: readonly (readonly string[])[],
): Promise<Row[]> {
  return arrays[0]!.length === 0 ? [] : transaction.query<Row>(text, arrays);
}

function replyOf(row: SubmittedReplyRow, tenantId: string, codec: SessionCodec): SubmittedReply {
  return {
    sessionId: row.session_id,
    disposition: row.disposition,
    guidance: codec.decodeGuidance(row.sealed_guidance ?? row.guidance, tenantId, row.inbound_id),
  };
}

async function insertSessions(
  transaction: Transaction,
  turn: SessionTurn,
  codec: SessionCodec,
): Promise<void> {
  if (turn.made.size === 0) return;
  let left = [...turn.made.values()];
  for (let tries = 1; left.length > 0; tries++) {
    if (tries > SHORT_ID_TRIES) throw new Error(`${SHORT_ID_TRIES} short ids in a row were taken`);
    if (tries > 1) for (const { session } of left) turn.replaceShortId(session.id, shortId());
    const { from, columns, values } = unnest(
      left.map(({ session, newSession: { request }, requestDigest }) => ({
        tenant_id: session.tenantId,
        id: session.id,
        short_id: session.shortId,
        state: session.state,
        version: session.version,
        asker_id: session.asker?.principalId ?? "",
        request_id: request?.id ?? null,
        request_digest: requestDigest ?? null,
        project_name: session.projectName,
        correlation_id: session.correlationId,
        is_notice: isNotice(session) ? 1 : 0,
        untaken: 0,
        expire_time: milliseconds(session.expireTime),
        outcome: session.outcome,
        end_time: milliseconds(session.endTime),
        restricted: session.answerPolicy ? 1 : 0,
        sealed: session.sensitive ? 1 : 0,
        resource: codec.encode(session),
      })),
      {
        tenant_id: "text",
        id: "text",
        short_id: "text",
        state: "smallint",
        version: "bigint",
        asker_id: "text",
        request_id: "text",
        request_digest: "bytea",
        project_name: "text",
        correlation_id: "text",
        is_notice: "smallint",
        untaken: "smallint",
        expire_time: "bigint",
        outcome: "smallint",
        end_time: "bigint",
        restricted: "smallint",
        sealed: "smallint",
        resource: "bytea",
      },
    );
    const inserted = await transaction.query<{ id: string }>(
      `INSERT INTO session (${columns}) SELECT ${columns} FROM ${from} ON CONFLICT (short_id) DO NOTHING RETURNING id`,
      values,
    );
    const ids = new Set(inserted.map(({ id }) => id));
    left = left.filter(({ session }) => !ids.has(session.id));
  }
  await insertPartsOf(transaction, turn);
}

/** What is searched for in other tables, and the pictures. */
async function insertPartsOf(transaction: Transaction, turn: SessionTurn): Promise<void> {
  const made = [...turn.made.values()];
  const keyOf = (session: Session) => ({ tenant_id: session.tenantId, session_id: session.id });
  const key = { tenant_id: "text", session_id: "text" };
  await Promise.all([
    insertAll(
      transaction,
      "session_responder",
      made.flatMap(({ session }) =>
        session.answerPolicy
          ? namedBy(session.answerPolicy).map((responder) => ({ ...keyOf(session), responder }))
          : [],
      ),
      { ...key, responder: "text" },
    ),
    insertAll(
      transaction,
      "session_chat",
      made.flatMap(({ session }) =>
        (session.audience?.targets ?? []).map(({ channelId, chatId }) => ({
          ...keyOf(session),
          channel_id: channelId,
          chat_id: chatId,
        })),
      ),
      { ...key, channel_id: "text", chat_id: "text" },
    ),
    insertAll(
      transaction,
      "session_label",
      made.flatMap(({ session }) =>
        Object.entries(session.labels).map(([label, value]) => ({ ...keyOf(session), key: label, value })),
      ),
      { ...key, key: "text", value: "text" },
    ),
    insertAll(
      transaction,
      "attachment",
      made.flatMap(({ session, attachments }) =>
        attachments.map((data, index) => ({ ...keyOf(session), number: index + 1, data })),
      ),
      { ...key, number: "integer", data: "bytea" },
    ),
  ]);
}

/** What is there already stays: the same chat may be named twice. */
async function insertAll<Row extends object>(
  transaction: Transaction,
  table: string,
  rows: readonly Row[],
  types: { readonly [Column in keyof Row]: string },
): Promise<void> {
  if (rows.length === 0) return;
  const { from, columns, values } = unnest(rows, types);
  await transaction.query(
    `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM ${from} ON CONFLICT DO NOTHING`,
    values,
  );
}

async function updateSessions(
  transaction: Transaction,
  tenantId: string,
  turn: SessionTurn,
  codec: SessionCodec,
): Promise<void> {
  if (turn.changed.size === 0) return;
  const { from, values } = unnest(
    [...turn.changed].map((id) => {
      const session = turn.current(id);
      return {
        tenant_id: tenantId,
        id,
        state: session.state,
        version: session.version,
        untaken: isUntaken(session) ? 1 : 0,
        expire_time: milliseconds(session.expireTime),
        outcome: session.outcome,
        end_time: isEnded(session) ? (milliseconds(session.endTime) ?? 0) : null,
        resource: codec.encode(session),
      };
    }),
    {
      tenant_id: "text",
      id: "text",
      state: "smallint",
      version: "bigint",
      untaken: "smallint",
      expire_time: "bigint",
      outcome: "smallint",
      end_time: "bigint",
      resource: "bytea",
    },
  );
  await Promise.all([
    transaction.query(
      `UPDATE session SET state = given.state, version = given.version, untaken = given.untaken,
         expire_time = given.expire_time, outcome = given.outcome, end_time = given.end_time, resource = given.resource
       FROM ${from} WHERE session.tenant_id = given.tenant_id AND session.id = given.id`,
      values,
    ),
    turn.closed.size > 0 &&
      transaction.query(CLOSE_CHATS, [repeated(tenantId, turn.closed), [...turn.closed]]),
  ]);
}

async function insertReplies(
  transaction: Transaction,
  tenantId: string,
  turn: SessionTurn,
  codec: SessionCodec,
): Promise<void> {
  if (turn.replies.size === 0) return;
  const rows = [...turn.replies].map(([inboundId, { sessionId, disposition, guidance }]) => {
    const encoded = codec.encodeGuidance(guidance, turn.current(sessionId), inboundId);
    const isSealed = typeof encoded !== "string";
    return {
      tenant_id: tenantId,
      inbound_id: inboundId,
      session_id: sessionId,
      disposition,
      guidance: isSealed ? "" : encoded,
      sealed_guidance: isSealed ? encoded : null,
    };
  });
  const { from, columns, values } = unnest(rows, {
    tenant_id: "text",
    inbound_id: "text",
    session_id: "text",
    disposition: "smallint",
    guidance: "text",
    sealed_guidance: "bytea",
  });
  await transaction.query(`INSERT INTO submitted_reply (${columns}) SELECT ${columns} FROM ${from}`, values);
}

/** Writes the log, what is to be handed over, and the tenant's figures. */
async function insertEvents(transaction: Transaction, tenantId: string, turn: SessionTurn): Promise<void> {
  if (turn.made.size === 0 && turn.changed.size === 0) return;
  const { from, values } = unnest(
    turn.events,
    {
      cursor: "bigint",
      session_id: "text",
      version: "bigint",
      type: "smallint",
      time: "bigint",
      to_chats: "boolean",
    },
    4,
  );
  const columns = "cursor, session_id, version, type, time";
  await transaction.query(
    `WITH happened AS (SELECT * FROM ${from}),
       logged AS (INSERT INTO event (tenant_id, ${columns}) SELECT $1, ${columns} FROM happened),
       to_bus AS (INSERT INTO bus_outbox (tenant_id, ${columns}) SELECT $1, ${columns} FROM happened ORDER BY cursor),
       to_delivery AS (
         INSERT INTO delivery_outbox (tenant_id, ${columns}) SELECT $1, ${columns} FROM happened WHERE to_chats)
     UPDATE tenant SET log_end = $2, open_sessions = $3, attachment_bytes = $4 WHERE tenant_id = $1`,
    [tenantId, turn.tenant.cursor, turn.tenant.openSessions, turn.tenant.attachmentBytes, ...values],
  );
}

/** The tenant once for each of some things. */
export function repeated(tenantId: string, things: Iterable<unknown>): string[] {
  return Array.from(things, () => tenantId);
}

function milliseconds(time: Session["expireTime"]): number | null {
  return time ? timestampMs(time) : null;
}
