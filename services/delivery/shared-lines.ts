// Tells other processes of the delivery service that something was put into a line which is theirs to work on. It only makes
// them look sooner than they would by themselves (B1).

import { randomUUID } from "node:crypto";
import type { EventBus } from "@hil/platform/events/event-bus.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { Line } from "./delivery-store.ts";

const SUBJECT = "hil.delivery.v1.line.queued";

export interface SharedLines {
  tell(line: Line): void;
  close(): Promise<void>;
}

/** Starts to listen. */
export async function shareLines(
  bus: EventBus,
  { wake, log }: { wake: (line: Line) => void; log: Log },
): Promise<SharedLines> {
  const own = randomUUID();
  const subscription = await bus.subscribe(`${SUBJECT}.>`, ({ data }) => {
    const { from, tenantId, channelId, line } = JSON.parse(Buffer.from(data).toString("utf8"));
    if (from !== own) wake({ tenantId, channelId, line });
  });
  return {
    tell({ tenantId, channelId, line }) {
      const id = randomUUID();
      const data = Buffer.from(JSON.stringify({ from: own, tenantId, channelId, line }));
      bus.publish([{ subject: `${SUBJECT}.${id}`, id, data }]).catch((error: unknown) => {
        log.debug({ err: error }, "another process was not told of a line; it looks once a second");
      });
    },
    close: () => subscription.close(),
  };
}
