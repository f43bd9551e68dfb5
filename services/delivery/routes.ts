import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import type { Channel } from "@hil/channels/channel.ts";
import type { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { type Session, Session_State, type Target } from "@hil/gen/hil/session/v1/session_pb.ts";
import { listAuditRecords } from "@hil/platform/audit/list-audit-records.ts";
import type { EgressGuard } from "@hil/platform/egress/egress-guard.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import type { Handlers } from "@hil/platform/rpc/service.ts";
import type { ChannelDirectory } from "./channel-directory.ts";
import { channelNotFound, channelRoutes } from "./channel-routes.ts";
import { channelIdOf, giveUpTimeOf, newDelivery, type StoredDelivery } from "./delivery.ts";
import type { DeliveryStore, Line } from "./delivery-store.ts";
import { pageTokenInvalid } from "./page-token.ts";
import { relayRoutes } from "./relay/relay-routes.ts";
import { attemptResource, deliveryResource } from "./resource.ts";
import type { TenantRules } from "./tenant-rules.ts";
import { testChannel } from "./test-channel.ts";
import type { Turns } from "./turns.ts";

const DEFAULT_PAGE = 50;
const NOTICE_LIFE_MS = 5 * 60_000;
/** Before the first page: above every sequence. */
const NEWEST = Number.MAX_SAFE_INTEGER;

export interface RouteOptions {
  readonly store: DeliveryStore;
  readonly channels: ChannelDirectory;
  readonly turns: Turns;
  /** What holds for the messages of a tenant. */
  readonly rulesOf: (tenantId: string) => TenantRules | Promise<TenantRules>;
  /** Judges the addresses that tenants choose. */
  readonly guard: Pick<EgressGuard, "check">;
  readonly now: () => Date;
  /** Called with the lines that something was put into. */
  readonly onQueued: (lines: readonly Line[]) => void;
  /** Called after a change that the session service has to be told. */
  readonly onChange: () => void;
}

/** The RPCs of DeliveryService. */
export function deliveryRoutes(options: RouteOptions): Handlers<typeof DeliveryService> {
  const { store, channels, rulesOf, now } = options;
  const resourceOf = async (delivery: StoredDelivery) =>
    deliveryResource(delivery, delivery.attemptCount > 0 ? await store.attempts(delivery) : []);
  const resourcesOf = (deliveries: readonly StoredDelivery[]) => Promise.all(deliveries.map(resourceOf));
  const channelOf = async (tenantId: string, channelId: string): Promise<Channel> => {
    const channel = await channels.get(tenantId, channelId);
    if (!channel) throw channelNotFound(channelId);
    return channel;
  };

  return {
    ...channelRoutes(options),
    ...relayRoutes(options),

    async deliver({ orders }, { principal: { tenantId } }) {
      for (const { session } of orders) requireOwn(session!, tenantId);
      const rules = await rulesOf(tenantId);
      const known = new Map<string, Channel | undefined>();
      for (const channelId of new Set(orders.map(({ target }) => channelIdOf(target!)))) {
        known.set(channelId, await channels.get(tenantId, channelId));
      }
      const nowMs = now().getTime();
      const deliveries = orders.map(({ deliveryId, session, target }) => {
        const { chatId, chatType } = target!;
        const order = {
          tenantId,
          id: deliveryId,
          sessionId: session!.id,
          channelId: channelIdOf(target!),
          chatId,
          chatType,
          giveUpTimeMs: giveUpTimeOf(session!, nowMs),
        };
        return newDelivery(order, { session: session! }, known.get(order.channelId), rules, nowMs);
      });
      failpoint("delivery.before_queue");
      const stored = await store.insert(deliveries, nowMs);
      failpoint("delivery.after_queue");
      options.onQueued(stored.filter(({ nextTimeMs }) => nextTimeMs !== undefined));
      if (deliveries.some(({ report }) => report)) options.onChange();
      return { deliveries: await resourcesOf(stored) };
    },

    async updateDelivered({ sessions }, { principal: { tenantId } }) {
      for (const session of sessions) requireOwn(session, tenantId);
      const ended = sessions.filter(({ state }) => state !== Session_State.OPEN);
      const withdrawn = ended.map((session) => ({
        tenantId,
        sessionId: session.id,
        reason: endReason(session),
      }));
      await store.withdraw(withdrawn, now().getTime());
      return {};
    },

    async sendNotice({ noticeId, target, markdown, expireTime }, { principal: { tenantId } }) {
      const rules = await rulesOf(tenantId);
      const channel = await channelOf(tenantId, channelIdOf(target!));
      requireChat(channel, target!);
      const nowMs = now().getTime();
      const order = {
        tenantId,
        id: noticeId,
        sessionId: "",
        channelId: channel.id,
        chatId: target!.chatId,
        chatType: target!.chatType,
        giveUpTimeMs: expireTime ? timestampMs(expireTime) : nowMs + NOTICE_LIFE_MS,
      };
      const [stored] = await store.insert([newDelivery(order, { markdown }, channel, rules, nowMs)], nowMs);
      if (stored!.nextTimeMs !== undefined) options.onQueued([stored!]);
      return { delivery: await resourceOf(stored!) };
    },

    async getDelivery({ deliveryId }, { principal }) {
      const delivery = await store.get({ tenantId: principal.tenantId, id: deliveryId });
      if (!delivery) throw deliveryNotFound(deliveryId);
      return { delivery: await resourceOf(delivery) };
    },

    async listDeliveries({ sessionId, states, pageSize, pageToken }, { principal: { tenantId } }) {
      const limit = pageSize || DEFAULT_PAGE;
      // A page goes on after the delivery that the one before ended with. Its place in the order of all tenants stays
      // here: it would tell how much the others send.
      const before = pageToken === "" ? undefined : await store.get({ tenantId, id: idOf(pageToken) });
      if (pageToken !== "" && !before) throw pageTokenInvalid(pageToken);
      const found = await store.list({
        tenantId,
        sessionId,
        states,
        beforeSequence: before?.sequence ?? NEWEST,
        limit: limit + 1,
      });
      const page = found.slice(0, limit);
      const nextPageToken = found.length > limit ? tokenOf(page.at(-1)!.id) : "";
      return { deliveries: await resourcesOf(page), nextPageToken };
    },

    async testChannel({ target }, { principal: { tenantId }, signal }) {
      const channel = await channelOf(tenantId, channelIdOf(target!));
      requireChat(channel, target!);
      const { locale, mayAskIn } = await rulesOf(tenantId);
      if (channel.mode === "sends" && !mayAskIn({ channelId: channel.id, chatId: target!.chatId })) {
        throw chatNotAllowed(channel.id);
      }
      const test = { tenantId, target: target!, locale, signal };
      const attempt = await testChannel(channel, test, options);
      return { attempt: attemptResource(attempt) };
    },

    listAuditRecords: (request, { principal }) => listAuditRecords(store.audit, principal.tenantId, request),
  };
}

/** An order belongs to the tenant that the session service calls for, and to no other. */
function requireOwn(session: Session, tenantId: string): void {
  if (session.tenantId === "" || session.tenantId === tenantId) return;
  throw hilError(
    Code.PermissionDenied,
    ErrorReason.TENANT_MISMATCH,
    `this call is for the tenant ${JSON.stringify(tenantId)} and holds a session of another; send each tenant's apart`,
    { tenant_id: tenantId },
  );
}

/** Throws CHAT_REQUIRED where the channel sends to chats and the target names none. */
function requireChat(channel: Channel, target: Target): void {
  if (channel.mode === "shows" || channel.missing !== undefined) return;
  const refusal = channel.refusal(target);
  if (refusal === undefined) return;
  throw hilError(Code.InvalidArgument, ErrorReason.CHAT_REQUIRED, refusal.replace(/^CHAT_REQUIRED: /, ""), {
    channel_id: channel.id,
  });
}

/** Why a delivery of an ended session is not sent. */
function endReason({ state }: Session): string {
  switch (state) {
    case Session_State.ANSWERED:
      return "the session was answered before this was sent";
    case Session_State.EXPIRED:
      return "the session expired before this was sent";
    case Session_State.CANCELLED:
      return "the session was cancelled before this was sent";
    default:
      return "the session ended before this was sent";
  }
}

function tokenOf(deliveryId: string): string {
  return Buffer.from(`d${deliveryId}`).toString("base64url");
}

function idOf(pageToken: string): string {
  const text = Buffer.from(pageToken, "base64url").toString("utf8");
  if (!text.startsWith("d")) throw pageTokenInvalid(pageToken);
  return text.slice(1);
}

function chatNotAllowed(channelId: string) {
  return hilError(
    Code.PermissionDenied,
    ErrorReason.CHAT_NOT_ALLOWED,
    `this tenant does not send to that chat of the channel ${JSON.stringify(channelId)}; an administrator can allow it`,
    { channel_id: channelId },
  );
}

function deliveryNotFound(deliveryId: string) {
  return hilError(
    Code.NotFound,
    ErrorReason.DELIVERY_NOT_FOUND,
    `there is no delivery ${JSON.stringify(deliveryId)}; ListDeliveries names those there are`,
    { delivery_id: deliveryId },
  );
}
