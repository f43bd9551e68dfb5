import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { createGroup } from "@hil/platform/storage/group.ts";
import type { Postgres } from "@hil/platform/storage/postgres.ts";
import type { ChannelHealth, DeliveryStore } from "./delivery-store.ts";

const MOST_AT_ONCE = 500;

const READ = "SELECT * FROM channel_health WHERE tenant_id = $1 AND channel_id = $2";
const NOTE = `INSERT INTO channel_health (tenant_id, channel_id, last_error, broken, last_sent_time)
  SELECT $1, * FROM unnest($2::text[], $3::text[], $4::boolean[], $5::bigint[])
  ON CONFLICT (tenant_id, channel_id) DO UPDATE SET last_error = excluded.last_error, broken = excluded.broken,
    last_sent_time = coalesce(excluded.last_sent_time, channel_health.last_sent_time)`;

/** How the last send of a channel ended. */
interface Note {
  readonly tenantId: string;
  readonly channelId: string;
  readonly lastError: string;
  readonly broken: boolean;
  readonly sentTimeMs: number | undefined;
}

/** How channels do, for all processes. What many sends say of one channel at once is written once. */
export function createPostgresHealth(db: Postgres): {
  read: DeliveryStore["health"];
  note: DeliveryStore["noteSend"];
  /** Resolves when what was noted is written. */
  close(): Promise<void>;
} {
  const group = createGroup<Note, void>({
    async runAll(notes) {
      for (const [tenantId, own] of Map.groupBy(notes, (note) => note.tenantId)) {
        const last = lastOfEach(own);
        await db.query(tenantId, NOTE, [
          tenantId,
          last.map(({ channelId }) => channelId),
          last.map(({ lastError }) => lastError),
          last.map(({ broken }) => broken),
          last.map(({ sentTimeMs }) => sentTimeMs ?? null),
        ]);
      }
      return notes.map(() => undefined);
    },
    isOfDatabase: (error) => reasonOf(error) === ErrorReason.STORAGE_UNAVAILABLE,
    most: MOST_AT_ONCE,
  });
  const underWay = new Set<Promise<void>>();

  return {
    async read(tenantId, channelId): Promise<ChannelHealth> {
      const [row] = await db.query<{ last_error: string; broken: boolean; last_sent_time: string | null }>(
        tenantId,
        READ,
        [tenantId, channelId],
      );
      return {
        lastError: row?.last_error ?? "",
        broken: row?.broken ?? false,
        lastSentTimeMs: row?.last_sent_time ? Number(row.last_sent_time) : undefined,
      };
    },

    note({ tenantId, channelId }, error, nowMs) {
      const noted = group.run({
        tenantId,
        channelId,
        lastError: error?.reason ?? "",
        broken: error?.broken ?? false,
        sentTimeMs: error ? undefined : nowMs,
      });
      const ended = noted.catch(() => {}).finally(() => underWay.delete(ended));
      underWay.add(ended);
      return noted;
    },

    async close() {
      await Promise.all(underWay);
    },
  };
}

/** One note for each channel, in one order for all processes: the last, with the time of the last send that went well. */
function lastOfEach(notes: readonly Note[]): Note[] {
  const last = new Map<string, Note>();
  for (const note of notes) {
    const sentTimeMs = note.sentTimeMs ?? last.get(note.channelId)?.sentTimeMs;
    last.set(note.channelId, { ...note, sentTimeMs });
  }
  return [...last.values()].sort((a, b) => (a.channelId < b.channelId ? -1 : 1));
}
