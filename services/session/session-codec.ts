// How sessions and what belongs to them stand on disk.
//
// E1. What a sensitive session's people wrote is on disk in sealed form only: the session itself, its pictures, and
//     what was said about replies. Each is bound to its tenant and its row. What is kept to recognise a repeated request
//     is keyed, for a short question is found from its plain digest by trying.

import { createHmac } from "node:crypto";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Session, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { rememberEncoded } from "@hil/platform/rpc/encoded.ts";
import type { SealContext, Vault } from "@hil/platform/secrets/vault.ts";

export interface SessionRow {
  readonly tenant_id: string;
  readonly id: string;
  readonly resource: Uint8Array;
  readonly sealed: number;
}

/** The columns of a SessionRow. */
export const SESSION_COLUMNS = "tenant_id, id, resource, sealed";

export class SessionCodec {
  readonly #vault: Vault;

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  decode({ tenant_id, id, resource, sealed }: SessionRow): Session {
    const bytes = sealed ? this.#vault.open(resource, ofSession(tenant_id, id)) : resource;
    return rememberEncoded(fromBinary(SessionSchema, bytes), bytes);
  }

  encode(session: Session): Uint8Array {
    const bytes = toBinary(SessionSchema, session);
    rememberEncoded(session, bytes);
    return session.sensitive ? this.#vault.seal(bytes, ofSession(session.tenantId, session.id)) : bytes;
  }

  decodeAttachment(
    data: Uint8Array,
    sealed: boolean,
    tenantId: string,
    id: string,
    number: number,
  ): Uint8Array {
    return sealed ? this.#vault.open(data, ofAttachment(tenantId, id, number)) : data;
  }

  encodeAttachment(data: Uint8Array, { sensitive, tenantId, id }: Session, number: number): Uint8Array {
    return sensitive ? this.#vault.seal(data, ofAttachment(tenantId, id, number)) : data;
  }

  /** Guidance is bytes where it is sealed, and text otherwise. */
  decodeGuidance(guidance: string | Uint8Array, tenantId: string, inboundId: string): string {
    if (typeof guidance === "string") return guidance;
    return new TextDecoder().decode(this.#vault.open(guidance, ofGuidance(tenantId, inboundId)));
  }

  encodeGuidance(guidance: string, { sensitive, tenantId }: Session, inboundId: string): string | Uint8Array {
    if (!sensitive || guidance === "") return guidance;
    return this.#vault.seal(new TextEncoder().encode(guidance), ofGuidance(tenantId, inboundId));
  }

  /** What a request is recognised by: a digest of its content. */
  requestDigest(digest: Uint8Array, { sensitive }: Session): Uint8Array {
    if (!sensitive) return digest;
    return createHmac("sha256", this.#vault.keyPepper).update("request digest\n").update(digest).digest();
  }

  /** What every value begins with that needs no new wrapping. */
  get newestPrefix(): Uint8Array {
    return this.#vault.newestPrefix;
  }

  rewrapSession(row: Pick<SessionRow, "tenant_id" | "id" | "resource">): Uint8Array {
    return this.#vault.rewrap(row.resource, ofSession(row.tenant_id, row.id));
  }

  rewrapAttachment(data: Uint8Array, tenantId: string, id: string, number: number): Uint8Array {
    return this.#vault.rewrap(data, ofAttachment(tenantId, id, number));
  }

  rewrapGuidance(guidance: Uint8Array, tenantId: string, inboundId: string): Uint8Array {
    return this.#vault.rewrap(guidance, ofGuidance(tenantId, inboundId));
  }
}

function ofSession(tenantId: string, id: string): SealContext {
  return { tenantId, kind: "session", id };
}

function ofAttachment(tenantId: string, id: string, number: number): SealContext {
  return { tenantId, kind: "attachment", id: `${id}/${number}` };
}

function ofGuidance(tenantId: string, inboundId: string): SealContext {
  return { tenantId, kind: "submitted_reply", id: inboundId };
}
