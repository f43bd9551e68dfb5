// One try to sign in by a provider, kept in the browser that makes it.
//
// The cookie is sealed, so that the browser neither reads nor makes one, with a key that every replica of the gateway
// derives from the client secret: the provider may lead the browser back to another replica. An attempt is taken once
// by each replica, and once in all by the provider, whose code works once.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { z } from "zod";

/** How long a person has at the provider. */
export const ATTEMPT_MS = 600_000;
const MAX_TAKEN = 10_000;

const attempt = z.object({
  state: z.string(),
  nonce: z.string(),
  /** Of PKCE. */
  verifier: z.string(),
  /** Where the person wanted to go. */
  next: z.string(),
  untilMs: z.number(),
});

export type Attempt = z.infer<typeof attempt>;

export interface Attempts {
  seal(attempt: Attempt): string;
  /** The attempt in a cookie; undefined for one that is over, was taken before, or is not ours. */
  take(sealed: string): Attempt | undefined;
}

export function createAttempts({ secret, now }: { secret: string; now: () => Date }): Attempts {
  const key = Buffer.from(hkdfSync("sha256", secret, "", "hil console oidc attempt", 32));
  /** By state, until when it matters. */
  const taken = new Map<string, number>();
  return {
    seal(given) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
      const sealed = Buffer.concat([cipher.update(JSON.stringify(given), "utf8"), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64url");
    },
    take(sealed) {
      const found = unseal(sealed, key);
      const nowMs = now().getTime();
      if (!found || found.untilMs <= nowMs || taken.has(found.state)) return undefined;
      for (const [state, untilMs] of taken) {
        if (untilMs > nowMs && taken.size < MAX_TAKEN) break;
        taken.delete(state);
      }
      taken.set(found.state, found.untilMs);
      return found;
    },
  };
}

function unseal(sealed: string, key: Buffer): Attempt | undefined {
  const bytes = Buffer.from(sealed, "base64url");
  if (bytes.length < 28) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12), { authTagLength: 16 });
  decipher.setAuthTag(bytes.subarray(12, 28));
  try {
    const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString("utf8");
    return attempt.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // not sealed by us
  }
}
