// Lengths of time as people type them.

/** A length of time, or that there is no end. */
export type Timeout = { readonly kind: "after"; readonly ms: number } | { readonly kind: "never" };

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Ten years: what the contract takes. */
const MOST_MS = 315_360_000_000;

/**
 * Reads `90s`, `20m`, `2h`, `1d`, `1h30m`, a number of seconds, or `none`. Undefined for anything else, for
 * nothing at all, and for more than ten years.
 */
export function readTimeout(text: string): Timeout | undefined {
  const words = text.trim().toLowerCase();
  if (words === "none") return { kind: "never" };
  if (/^\d{1,10}$/.test(words)) return timeout(Number(words) * 1000);
  if (!/^(\d{1,10}(\.\d{1,3})?[smhd])+$/.test(words)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of words.matchAll(/([\d.]+)([smhd])/g)) {
    ms += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return timeout(Math.round(ms));
}

function timeout(ms: number): Timeout | undefined {
  return ms > 0 && ms <= MOST_MS ? { kind: "after", ms } : undefined;
}

/** A length of time as it is typed, with its two largest units: "45s", "3m20s", "2h", "4d6h". */
export function writeLength(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10}s`;
  let left = Math.round(seconds);
  const parts: string[] = [];
  for (const unit of ["d", "h", "m", "s"] as const) {
    const size = UNIT_MS[unit] / 1000;
    const amount = Math.floor(left / size);
    left %= size;
    if (amount > 0) parts.push(`${amount}${unit}`);
    if (parts.length === 1 && amount === 0) break; // "4d" and not "4d5s"
    if (parts.length === 2) break;
  }
  return parts.join("");
}
