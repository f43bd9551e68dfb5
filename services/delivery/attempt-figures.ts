import type { SendingChannel } from "@hil/channels/channel.ts";
import { Channel_KindSchema } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { deliveryAttempts } from "@hil/platform/telemetry/metrics.ts";
import type { TryEnd } from "./delivery.ts";

/** Counts a try by how it ended: delivered, paused, retryable, refused or unknown. */
export function countAttempt({ kind }: Pick<SendingChannel, "kind">, end: TryEnd): void {
  deliveryAttempts.inc({ channel_kind: kindName(kind), outcome: outcomeOf(end) });
}

function outcomeOf(end: TryEnd): string {
  switch (end.kind) {
    case "sent":
      return "delivered";
    case "paused":
      return "paused";
    case "stopped":
      return end.outcome.kind;
  }
}

/** "wecom_robot" */
function kindName(kind: SendingChannel["kind"]): string {
  return (Channel_KindSchema.value[kind]?.name ?? "KIND_UNKNOWN").replace("KIND_", "").toLowerCase();
}
