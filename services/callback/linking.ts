// Links people who send a code to the member that the code was made for.
//
// L1. A code is worth something only in the tenant whose channel carried it; on the deployment's robot in any.
// L2. Whoever sends wrong codes soon has to wait: what is left to guess is out of reach within a code's life.

import { type Client, ConnectError } from "@connectrpc/connect";
import { Identity_Kind } from "@hil/gen/hil/access/v1/access_pb.ts";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { createKeyedLimit } from "@hil/platform/limits/keyed-limit.ts";
import { ownerOf } from "./channels.ts";
import type { InboxRow } from "./inbox-store.ts";

const CALL_TIMEOUT_MS = 10_000;
/** Wrong codes of one sender, in each quarter of an hour: the life of a code. */
const WRONG_CODES = { points: 5, windowMs: 15 * 60_000 };

/** What became of a code. */
export type LinkOutcome =
  | { readonly kind: "linked"; readonly tenantId: string; readonly name: string }
  /** Not known, used, or too old. */
  | { readonly kind: "invalid" }
  /** The sender is another member of that tenant already. */
  | { readonly kind: "taken" }
  | { readonly kind: "tooMany" }
  /** The vendor does not say who the sender is. */
  | { readonly kind: "nobody" };

export type Link = (row: InboxRow, code: string) => Promise<LinkOutcome>;

/** Makes what redeems codes. `signal` aborts calls under way. */
export function createLink({
  access,
  now,
  signal,
}: {
  access: Client<typeof AccessService>;
  now: () => Date;
  signal: AbortSignal;
}): Link {
  const wrongCodes = createKeyedLimit({ ...WRONG_CODES, now });
  return async ({ channelTenantId, inbound: { channelId, sender } }, code) => {
    const userId = sender?.userId ?? "";
    if (userId === "") return { kind: "nobody" };
    const senderKey = JSON.stringify([channelTenantId, channelId, userId]);
    if (wrongCodes.retryAfterMs(senderKey) > 0) return { kind: "tooMany" };
    const owner = ownerOf(channelTenantId, channelId);
    try {
      const { member } = await access.redeemLinkCode(
        {
          code,
          tenantIds: owner === undefined ? [] : [owner],
          identity: { kind: Identity_Kind.WECOM_USER, value: userId },
        },
        { headers: { [TENANT_HEADER]: channelTenantId }, signal, timeoutMs: CALL_TIMEOUT_MS },
      );
      return { kind: "linked", tenantId: member!.tenantId, name: member!.name };
    } catch (error) {
      switch (reasonOf(ConnectError.from(error))) {
        case ErrorReason.LINK_CODE_INVALID:
          wrongCodes.take(senderKey);
          return { kind: "invalid" };
        case ErrorReason.IDENTITY_TAKEN:
          return { kind: "taken" };
        default:
          throw error;
      }
    }
  };
}
