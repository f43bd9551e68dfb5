import type { Locale } from "./terminal.ts";

const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
] as const;

/** How far `time` is from `now`, in words: "5 min. ago", "3小时后". One unit, rounded. */
export function relativeTime(time: Date, now: Date, locale: Locale): string {
  const ms = time.getTime() - now.getTime();
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });
  for (const [unit, unitMs] of UNITS) {
    if (Math.abs(ms) >= unitMs) return format.format(Math.round(ms / unitMs), unit);
  }
  return format.format(0, "second");
}

/** A point in time as the person's clock shows it; with the day where that is not today. */
export function clockTime(time: Date, now: Date, locale: Locale): string {
  const today = time.toDateString() === now.toDateString();
  return new Intl.DateTimeFormat(locale, {
    ...(today ? {} : { month: "short", day: "numeric" }),
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  }).format(time);
}
