import { createHash } from "node:crypto";
import { z } from "zod";
import { type PublicJwks, verifyCompact } from "../signing/jws.ts";
import type { SigningKey } from "../signing/signing-key.ts";

/** The kind of statement that a checkpoint is. */
export const CHECKPOINT_TYP = "hil-audit-checkpoint+jws";

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const statement = z.strictObject({
  number: z.int().min(1),
  time: z.string(),
  previous: hex32.or(z.literal("")),
  unfinished: z.array(hex32),
  chains: z.array(
    z.strictObject({ service: z.string(), tenant_id: z.string(), count: z.int().min(1), seal: hex32 }),
  ),
});
const line = z.strictObject({ jws: z.string() });

/** What one checkpoint states: how chains ended when it was written. */
export interface Checkpoint {
  /** From 1, without gaps. */
  readonly number: number;
  /** ISO 8601. */
  readonly time: string;
  /** SHA-256 of the line of the checkpoint before, 64 hex digits. Empty for the first. */
  readonly previous: string;
  /** SHA-256 of each line since then that a crash left unfinished. */
  readonly unfinished: readonly string[];
  /** The chains that grew since the one before. */
  readonly chains: readonly {
    readonly service: string;
    readonly tenant_id: string;
    readonly count: number;
    /** 64 hex digits. */
    readonly seal: string;
  }[];
}

/** The line of a checkpoint, without its line break. */
export function checkpointLine(checkpoint: Checkpoint, signingKey: SigningKey): string {
  const payload = Buffer.from(JSON.stringify(checkpoint));
  return JSON.stringify({ jws: signingKey.signJws(payload, CHECKPOINT_TYP) });
}

/** What the next checkpoint says of this line, and the services remember. */
export function lineDigest(text: string | Uint8Array): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Reads a line. The problem says what is wrong with it. */
export function readCheckpoint(
  text: string,
  publicJwks: PublicJwks,
): { readonly checkpoint: Checkpoint } | { readonly problem: string } {
  try {
    const reading = verifyCompact(line.parse(JSON.parse(text)).jws, publicJwks, CHECKPOINT_TYP);
    if (reading.kind === "invalid") return { problem: reading.problem };
    return { checkpoint: statement.parse(JSON.parse(Buffer.from(reading.payload).toString("utf8"))) };
  } catch {
    return { problem: "it cannot be read" };
  }
}
