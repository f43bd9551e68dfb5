// A channel whose vendor is called by a relay on an intranet host: rendered here, sent there.

import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Message, SendingChannel, SendOutcome } from "@hil/channels/channel.ts";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import {
  type CommandResult,
  type SendCommand,
  SendCommandSchema,
} from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import type { AttachedRelays, Runners } from "./attached-relays.ts";
import type { RelayFence } from "./relay-store.ts";
import type { CommandEnd } from "./relay-stream.ts";

/** How long a relay may take for a message, over a slow line too. */
const PATIENCE_MS = 60_000;

/** What a relay says of a message, and the stream on which it said so. */
export type RelayedOutcome = SendOutcome & { readonly fence?: RelayFence };

/** What has relays run commands. */
export type RelayRunner = Pick<AttachedRelays, "run" | "place" | "attachedNames">;

/** The stream on which a relay said how a message ended. Undefined: no relay said so. */
export function fenceOf(outcome: SendOutcome): RelayFence | undefined {
  return (outcome as RelayedOutcome).fence;
}

/** Makes of a channel one that relays run. It needs no credential: the relays have that. */
export function createRelayedChannel(
  channel: SendingChannel,
  {
    relays,
    runners,
    missing,
  }: {
    relays: RelayRunner;
    runners: Runners;
    /** What an operator has to do before it can send. Default: nothing. */
    missing?: () => string | undefined;
  },
): SendingChannel {
  return {
    ...channel,
    get missing() {
      return missing?.();
    },
    place: () => relays.place(runners),
    attachedRelays: () => relays.attachedNames(runners),
    async send(message, target, signal, name): Promise<RelayedOutcome> {
      const refused = channel.refusal(target);
      if (refused !== undefined) return { kind: "refused", reason: refused, broken: false };
      const command = create(SendCommandSchema, {
        commandId: name?.id ?? randomUUID(),
        channelId: channel.id,
        chatId: target.chatId,
        chatType: target.chatType,
        message: messageOf(message),
        expireTime: timestampFromMs(
          Math.min(name?.expireTimeMs ?? Number.POSITIVE_INFINITY, Date.now() + PATIENCE_MS),
        ),
      });
      const run = await relays.run(runners, command, {
        ...(message.kind === "image" && { image: message.data }),
        signal,
        patienceMs: PATIENCE_MS,
      });
      if (!run) return notHad();
      return outcomeOf(run.end, run.fence);
    },
  };
}

function messageOf(message: Message): SendCommand["message"] {
  switch (message.kind) {
    case "text": {
      const { text, mentions } = message;
      return {
        case: "text",
        value: { $typeName: "hil.delivery.v1.TextMessage", text, mentions: [...mentions] },
      };
    }
    case "markdown":
      return {
        case: "markdown",
        value: { $typeName: "hil.delivery.v1.MarkdownMessage", text: message.text },
      };
    case "image":
      return {
        case: "image",
        value: { $typeName: "hil.delivery.v1.ImageMessage", sizeBytes: message.data.length },
      };
  }
}

function outcomeOf(end: CommandEnd, fence: RelayFence): RelayedOutcome {
  switch (end.kind) {
    case "unsent":
      return notHad();
    case "lost":
      return { kind: "unknown", reason: `by the relay ${JSON.stringify(fence.name)}: ${end.reason}` };
    case "result":
      return { ...resultOutcome(end.result), fence };
  }
}

function resultOutcome({ outcome, reason, retryAfter, broken }: CommandResult): SendOutcome {
  switch (outcome) {
    case Attempt_Outcome.DELIVERED:
      return { kind: "delivered" };
    case Attempt_Outcome.REFUSED:
      return { kind: "refused", reason, broken };
    case Attempt_Outcome.RETRYABLE:
      return { kind: "retryable", reason, ...(retryAfter && { retryAfterMs: durationMs(retryAfter) }) };
    default: // of a later version too: nobody here can say that it was not sent
      return { kind: "unknown", reason: reason || "the relay does not say what became of it" };
  }
}

function notHad(): SendOutcome {
  return { kind: "retryable", reason: "the relay went away before it had the message" };
}
