// The callback service as delivery sees it: takes what relays bring, each message once. Keeps what it was told.

import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import type { VendorMessage } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import type { DeliveryServiceOptions } from "../service.ts";

type Callbacks = DeliveryServiceOptions["callbacks"];

/** A message, and the tenant in whose name it came. */
export interface TakenMessage extends VendorMessage {
  readonly tenantId: string;
}

export interface FakeCallbacks extends Callbacks {
  /** Each once, in the order in which it came first. */
  readonly taken: readonly TakenMessage[];
  /** How many came again. */
  readonly repeated: number;
  /** Set: nothing is taken. */
  failure: ConnectError | undefined;
}

export const callbacksAway = () => new ConnectError("the callback service is away", Code.Unavailable);

export function createFakeCallbacks(): FakeCallbacks {
  const taken = new Map<string, TakenMessage>();
  let repeated = 0;
  return {
    get taken() {
      return [...taken.values()];
    },
    get repeated() {
      return repeated;
    },
    failure: undefined,
    async ingestInbound({ messages = [] }, options?: CallOptions) {
      if (this.failure) throw this.failure;
      const tenantId = new Headers(options?.headers).get(TENANT_HEADER) ?? "";
      const results = (messages as VendorMessage[]).map((message) => {
        const key = JSON.stringify([tenantId, message.channelId, message.relayInboundId]);
        const duplicate = taken.has(key);
        if (duplicate) repeated += 1;
        else taken.set(key, { ...message, tenantId });
        return {
          $typeName: "hil.callback.v1.IngestResult" as const,
          inboundId: message.relayInboundId,
          duplicate,
          refusal: "",
        };
      });
      return { $typeName: "hil.callback.v1.IngestInboundResponse", results };
    },
  };
}
