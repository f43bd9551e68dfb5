import { randomFillSync } from "node:crypto";

const POOL_BYTES = 4096;
const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;
let lastMs = 0;
let counter = 0;

/** `length` random bytes from a pool: asking the system for each id costs more than the id. */
function randomBytes(length: number): Buffer {
  if (used + length > POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  used += length;
  return pool.subarray(used - length, used);
}

/**
 * A UUID of version 7 (RFC 9562): 48 bits of milliseconds, a 12-bit counter that keeps ids of one
 * millisecond of this process in order, 62 random bits.
 */
export function uuidV7(nowMs: number): string {
  if (nowMs > lastMs) {
    lastMs = nowMs;
    counter = randomBytes(1)[0]!; // a random start leaves room to count up within the millisecond
  } else if (++counter > 0xfff) {
    lastMs += 1;
    counter = 0;
  }
  const time = lastMs.toString(16).padStart(12, "0");
  const tail = Buffer.from(randomBytes(8));
  tail[0] = (tail[0]! & 0x3f) | 0x80;
  const rest = tail.toString("hex");
  const sequence = counter.toString(16).padStart(3, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${sequence}-${rest.slice(0, 4)}-${rest.slice(4)}`;
}

/** When a UUID of version 7 was made, in milliseconds since 1970. */
export function timeOfUuidV7(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** 8 random lower-case hex digits: the name of a session that people can type. */
export function shortId(): string {
  return randomBytes(4).toString("hex");
}
