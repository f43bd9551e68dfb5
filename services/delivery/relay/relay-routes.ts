// The RPCs about relays. A relay is its tenant's alone: to others it is as if there were none.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import type { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { Relay_State, type RelaySchema } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hasRole, type Principal } from "@hil/platform/auth/principal.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import type { Handlers } from "@hil/platform/rpc/service.ts";
import { pageTokenInvalid } from "../page-token.ts";
import type { RelayStore, StoredRelay } from "./relay-store.ts";

const DEFAULT_PAGE = 50;
const NO_REASON = "an operator asked for it";

export function relayRoutes({
  store,
  now,
}: {
  store: Pick<RelayStore, "listRelays" | "drainRelay">;
  now: () => Date;
}): Pick<Handlers<typeof DeliveryService>, "listRelays" | "drainRelay"> {
  return {
    async listRelays({ attachedOnly, pageSize, pageToken, tenantId: named }, { principal }) {
      const limit = pageSize || DEFAULT_PAGE;
      const found = await store.listRelays(
        {
          tenantId: tenantOf(principal, named),
          attachedOnly,
          afterName: pageToken === "" ? "" : nameOf(pageToken),
          limit: limit + 1,
        },
        now().getTime(),
      );
      const page = found.slice(0, limit);
      return {
        relays: page.map(relayResource),
        nextPageToken: found.length > limit ? tokenOf(page.at(-1)!.name) : "",
      };
    },

    async drainRelay({ relayName, reason, tenantId: named }, { principal }) {
      const relay = await store.drainRelay({
        tenantId: tenantOf(principal, named),
        name: relayName,
        reason: reason || NO_REASON,
        principalId: principal.id,
        nowMs: now().getTime(),
      });
      if (!relay) throw relayNotFound(relayName);
      return { relay: relayResource(relay) };
    },
  };
}

/** A relay in the form of the contract. */
export function relayResource(relay: StoredRelay): MessageInitShape<typeof RelaySchema> {
  const { tenantId, name, attached, epoch, instanceId, softwareVersion, address, channels } = relay;
  return {
    name,
    tenantId,
    state: attached ? Relay_State.ATTACHED : Relay_State.DETACHED,
    epoch: BigInt(epoch),
    instanceId,
    softwareVersion,
    address,
    channels: channels.map(({ channelId, kind }) => ({ channelId, kind })),
    attachTime: timestampFromMs(relay.attachTimeMs),
    heardTime: timestampFromMs(relay.heardTimeMs),
    detachTime: relay.detachTimeMs === undefined ? undefined : timestampFromMs(relay.detachTimeMs),
    detachReason: relay.detachReason,
    waitingInbounds: BigInt(relay.waitingInbounds),
  };
}

function tenantOf(principal: Principal, named: string): string {
  if (named === "" || named === principal.tenantId) return principal.tenantId;
  if (hasRole(principal, Role.OWNER, Role.SERVICE)) return named;
  throw hilError(
    Code.PermissionDenied,
    ErrorReason.TENANT_MISMATCH,
    `this credential is not of the tenant ${JSON.stringify(named)}; leave the tenant out, or use a credential of that tenant`,
    { tenant_id: named },
  );
}

/** The list goes on after this relay, whether it is still there or not. */
function tokenOf(name: string): string {
  return Buffer.from(`r${name}`).toString("base64url");
}

function nameOf(pageToken: string): string {
  const text = Buffer.from(pageToken, "base64url").toString("utf8");
  if (!text.startsWith("r") || tokenOf(text.slice(1)) !== pageToken) throw pageTokenInvalid(pageToken);
  return text.slice(1);
}

function relayNotFound(name: string) {
  return hilError(
    Code.NotFound,
    ErrorReason.RELAY_NOT_FOUND,
    `no relay ${JSON.stringify(name)} was ever attached; ListRelays names those that were`,
    { relay_name: name },
  );
}
