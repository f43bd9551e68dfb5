// How many relays are attached, for health.
//
// V1. Health answers whatever the delivery service does: where that cannot tell in time, no relay is known of.
// V2. However often health is asked, the delivery service is asked once a second.

import type { Client } from "@connectrpc/connect";
import type { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";

const KNOWN_FOR_MS = 1_000;
const PATIENCE_MS = 500;
const PAGE_SIZE = 200;

/** The relays of the default tenant, which run the deployment's robot. */
export interface AttachedRelays {
  /** At most a second old; 0 where the delivery service cannot tell. Never rejects. */
  count(): Promise<number>;
}

export function createAttachedRelays({
  delivery,
  ownCredential,
  now,
}: {
  delivery: Pick<Client<typeof DeliveryService>, "listRelays">;
  /** Headers to call as the gateway itself. */
  ownCredential: Record<string, string>;
  now: () => Date;
}): AttachedRelays {
  let known: { readonly count: Promise<number>; readonly atMs: number } | undefined;

  const ask = async (): Promise<number> => {
    const options = { headers: ownCredential, signal: AbortSignal.timeout(PATIENCE_MS) };
    let [count, pageToken] = [0, ""];
    do {
      const request = { attachedOnly: true, tenantId: DEFAULT_TENANT, pageSize: PAGE_SIZE, pageToken };
      const { relays, nextPageToken } = await delivery.listRelays(request, options);
      count += relays.length;
      pageToken = nextPageToken;
    } while (pageToken !== "");
    return count;
  };

  return {
    count() {
      const nowMs = now().getTime();
      if (!known || Math.abs(nowMs - known.atMs) >= KNOWN_FOR_MS) {
        known = { count: ask().catch(() => 0), atMs: nowMs }; // V1
      }
      return known.count;
    },
  };
}
