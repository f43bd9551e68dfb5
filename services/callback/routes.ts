import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { Inbound_DispositionSchema } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import type { CallbackService, VendorMessage } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { listAuditRecords } from "@hil/platform/audit/list-audit-records.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import type { Handlers } from "@hil/platform/rpc/service.ts";
import type { InboundChannels } from "./channels.ts";
import type { InboxRow, InboxStore } from "./inbox-store.ts";
import type { Ingest, IngestOutcome, Relayed } from "./ingest.ts";

const DEFAULT_PAGE_SIZE = 50;

/** The handlers of CallbackService. `wake` hears of each chat with something to match. */
export function callbackHandlers({
  store,
  channels,
  ingest,
  wake,
  now,
}: {
  store: InboxStore;
  channels: InboundChannels;
  ingest: Ingest;
  wake: (chatKey: string) => void;
  now: () => Date;
}): Handlers<typeof CallbackService> {
  const take = async (tenantId: string, message: VendorMessage): Promise<IngestOutcome> => {
    const { channelId, body } = message;
    const channel = await channels.find(tenantId, channelId);
    if (!channel) return { kind: "refused", reason: "no channel of this id takes messages" };
    return ingest({ channel, body, relayed: relayedOf(message) });
  };
  const load = async (tenantId: string, inboundId: string): Promise<InboxRow> => {
    const row = await store.get(tenantId, inboundId);
    if (!row) throw inboundNotFound(inboundId);
    return row;
  };
  return {
    async ingestInbound({ messages }, { principal: { tenantId } }) {
      const outcomes = await Promise.all(messages.map((message) => take(tenantId, message)));
      return {
        results: outcomes.map((outcome) => {
          if (outcome.kind === "refused") return { refusal: outcome.reason };
          // A caller whose answer is lost on the way repeats messages without an id; they are then kept twice,
          // which is better than dropping the second "yes" of a person.
          outcome.acknowledge();
          return { inboundId: outcome.inboundId, duplicate: outcome.duplicate };
        }),
      };
    },
    async getInbound({ inboundId }, { principal: { tenantId } }) {
      return { inbound: (await load(tenantId, inboundId)).inbound };
    },
    async listInbound({ dispositions, chatId, pageSize, pageToken }, { principal: { tenantId } }) {
      const limit = pageSize || DEFAULT_PAGE_SIZE;
      const found = await store.list({
        tenantId,
        dispositions,
        chatId,
        limit: limit + 1,
        beforeId: placeOf(pageToken),
      });
      const inbounds = found.slice(0, limit).map((row) => row.inbound);
      return { inbounds, nextPageToken: found.length > limit ? inbounds.at(-1)!.id : "" };
    },
    async redriveInbound({ inboundId }, { principal: { tenantId, id: principalId } }) {
      const redriven = await store.redrive({ tenantId, id: inboundId, principalId, time: now() });
      const row = await load(tenantId, inboundId);
      if (!redriven) throw inboundSettled(row);
      wake(row.chatKey);
      return { inbound: row.inbound };
    },
    listAuditRecords(request, { principal: { tenantId } }) {
      return listAuditRecords(store.audit, tenantId, request);
    },
  };
}

function relayedOf({ relayInboundId, receiveTime, acknowledgeTime }: VendorMessage): Relayed | undefined {
  if (relayInboundId === "") return undefined;
  return {
    inboundId: relayInboundId,
    receiveTime: dateOf(receiveTime),
    ackTime: dateOf(acknowledgeTime),
  };
}

/** Undefined for a time that no calendar has, too: a host that made one up loses it. */
function dateOf(timestamp: Timestamp | undefined): Date | undefined {
  const date = timestamp && timestampDate(timestamp);
  return date && Number.isNaN(date.getTime()) ? undefined : date;
}

/** A page begins behind the message that the one before ended with. */
function placeOf(pageToken: string): string {
  if (pageToken === "" || /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(pageToken)) return pageToken;
  throw hilError(
    Code.InvalidArgument,
    ErrorReason.PAGE_TOKEN_INVALID,
    `page token ${JSON.stringify(pageToken)} was not made by this list; start again without one`,
    { page_token: pageToken },
  );
}

function inboundNotFound(inboundId: string) {
  return hilError(
    Code.NotFound,
    ErrorReason.INBOUND_NOT_FOUND,
    `there is no inbound message ${inboundId} here`,
    {
      inbound_id: inboundId,
    },
  );
}

function inboundSettled({ inbound }: InboxRow) {
  const disposition = Inbound_DispositionSchema.value[inbound.disposition]?.name ?? `${inbound.disposition}`;
  return hilError(
    Code.FailedPrecondition,
    ErrorReason.INBOUND_SETTLED,
    `inbound message ${inbound.id} is ${disposition}; only a DISPOSITION_DEAD one can be matched again`,
    { inbound_id: inbound.id, disposition },
  );
}
