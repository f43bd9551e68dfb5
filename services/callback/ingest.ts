import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { DecodedInbound } from "@hil/channels/inbound.ts";
import { Inbound_Disposition, Inbound_Kind, InboundSchema } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import { uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { InboundChannel } from "./channels.ts";
import { chatKeyOf, type InboxStore } from "./inbox-store.ts";

/** A vendor's message as it came, verified and decrypted. */
export interface VendorMessage {
  readonly channel: InboundChannel;
  readonly body: Uint8Array;
  /** What a relay says of it that kept it before. Unset: it came at first hand. */
  readonly relayed?: Relayed | undefined;
}

export interface Relayed {
  /** The relay's id of it, the same in every repetition. */
  readonly inboundId: string;
  /** When it came there. Undefined: now. */
  readonly receiveTime: Date | undefined;
  /** When the vendor had its yes. Undefined: not, as far as is known. */
  readonly ackTime: Date | undefined;
}

/** What became of one. */
export type IngestOutcome =
  /** It is on disk. Call `acknowledge` once the vendor has been told so; a relay has done that itself. */
  | {
      readonly kind: "kept";
      readonly inboundId: string;
      readonly duplicate: boolean;
      readonly acknowledge: () => void;
    }
  /** It cannot be read, and is not kept. */
  | { readonly kind: "refused"; readonly reason: string };

/** Keeps a vendor's message. Resolves once it is on disk; rejects with STORAGE_UNAVAILABLE, then nothing is. */
export type Ingest = (message: VendorMessage) => Promise<IngestOutcome>;

/** Makes what takes vendor messages, from HTTP and RPC alike. `wake` hears of each chat with something to match. */
export function createIngest({
  store,
  wake,
  log,
  now,
}: {
  store: Pick<InboxStore, "add" | "acknowledge">;
  wake: (chatKey: string) => void;
  log: Log;
  now: () => Date;
}): Ingest {
  return async ({ channel: { id: channelId, tenantId: channelTenantId, decode }, body, relayed }) => {
    const result = decode(body);
    if (result.kind === "refused") return result;
    const { inbound: decoded } = result;
    const time = now();
    const cameTime = relayed?.receiveTime;
    const receiveTime = cameTime && cameTime < time ? cameTime : time;
    const inbound = create(InboundSchema, {
      id: uuidV7(time.getTime()),
      channelId,
      chatId: decoded.chatId,
      chatType: decoded.chatType === "single" ? ChatType.SINGLE : ChatType.GROUP,
      sender: decoded.sender,
      kind: kindOf(decoded),
      vendorMessageId: decoded.vendorMessageId,
      text: decoded.text,
      quotedText: decoded.quotedText,
      imageUrls: [...decoded.imageUrls],
      receiveTime: timestampFromDate(receiveTime),
      disposition: decoded.kind === "message" ? Inbound_Disposition.UNSPECIFIED : Inbound_Disposition.IGNORED,
    });
    const bodyDigest = createHash("sha256").update(body).digest("hex");
    failpoint("inbox.before_add");
    const { id, duplicate } = await store.add({
      channelTenantId,
      inbound,
      vendorMessage: decoded.vendorMessage,
      bodyDigest,
      ...(relayed && { relayInboundId: relayed.inboundId, ackTime: relayed.ackTime }),
    });
    failpoint("inbox.after_add");
    if (decoded.kind === "message") wake(chatKeyOf(channelTenantId, channelId, decoded.chatId));
    return {
      kind: "kept",
      inboundId: id,
      duplicate,
      acknowledge() {
        if (decoded.vendorMessageId || relayed) return;
        store.acknowledge({ channelTenantId, id }, now()).catch((error: unknown) => {
          // Costs no more than X2 says of a crash at this place.
          log.warn(
            { err: error, inbound_id: id, tenant_id: channelTenantId },
            "could not note that the vendor got its answer",
          );
        });
      },
    };
  };
}

function kindOf({ kind }: DecodedInbound): Inbound_Kind {
  switch (kind) {
    case "message":
      return Inbound_Kind.MESSAGE;
    case "event":
      return Inbound_Kind.EVENT;
    case "unknown":
      return Inbound_Kind.UNSPECIFIED;
  }
}
