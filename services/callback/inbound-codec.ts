// How what people wrote stands on disk: sealed, and bound to its message and to the tenant of its channel.
//
// Every message is, for a reply to a sensitive session is kept before anybody knows what it answers.

import { createHmac, hkdfSync } from "node:crypto";
import type { SealContext, Vault } from "@hil/platform/secrets/vault.ts";
import type { InboundKey } from "./inbox-store.ts";

/** What a person wrote. */
export interface Content {
  readonly text: string;
  readonly quotedText: string;
  readonly imageUrls: readonly string[];
  readonly vendorMessage: string;
}

export interface InboundCodec {
  sealContent(key: InboundKey, content: Content): Uint8Array;
  openContent(key: InboundKey, sealed: Uint8Array): Content;
  rewrapContent(key: InboundKey, sealed: Uint8Array): Uint8Array;
  sealGuidance(key: InboundKey, guidance: string): Uint8Array;
  openGuidance(key: InboundKey, sealed: Uint8Array): string;
  rewrapGuidance(key: InboundKey, sealed: Uint8Array): Uint8Array;
  /** What every value begins with that needs no new wrapping. */
  readonly newestPrefix: Uint8Array;
  /** Tells equal bodies from others, and tells nothing about a body to who does not hold the key. */
  digest(parts: readonly string[]): string;
}

export function createInboundCodec(vault: Vault): InboundCodec {
  const digestKey = Buffer.from(hkdfSync("sha256", vault.keyPepper, "", "hil inbox digest", 32));
  const encode = (text: string) => new TextEncoder().encode(text);
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    sealContent: (key, content) => vault.seal(encode(JSON.stringify(content)), ofContent(key)),
    openContent: (key, sealed) => JSON.parse(decode(vault.open(sealed, ofContent(key)))) as Content,
    rewrapContent: (key, sealed) => vault.rewrap(sealed, ofContent(key)),
    sealGuidance: (key, guidance) => vault.seal(encode(guidance), ofGuidance(key)),
    openGuidance: (key, sealed) => decode(vault.open(sealed, ofGuidance(key))),
    rewrapGuidance: (key, sealed) => vault.rewrap(sealed, ofGuidance(key)),
    newestPrefix: vault.newestPrefix,
    // JSON keeps the parts apart: ["a", "bc"] and ["ab", "c"] differ.
    digest: (parts) => createHmac("sha256", digestKey).update(JSON.stringify(parts)).digest("hex"),
  };
}

function ofContent({ channelTenantId, id }: InboundKey): SealContext {
  return { tenantId: channelTenantId, kind: "inbound", id };
}

function ofGuidance({ channelTenantId, id }: InboundKey): SealContext {
  return { tenantId: channelTenantId, kind: "inbound_guidance", id };
}
