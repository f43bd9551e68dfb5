/** The languages that the console speaks. */
export type Language = "zh-CN" | "en";

/** A count with the word that goes with it in its language. `#` stands for the number. */
export function plural(language: Language, count: number, forms: { one?: string; other: string }): string {
  const form =
    new Intl.PluralRules(language).select(count) === "one" ? (forms.one ?? forms.other) : forms.other;
  return form.replace("#", new Intl.NumberFormat(language).format(count));
}

/** A time of day, with its date unless it is of the same day as `now`: "10:32", "Nov 19, 10:32". */
export function clockTime(language: Language, time: Date, now: Date): string {
  const sameDay = time.toDateString() === now.toDateString();
  const sameYear = time.getFullYear() === now.getFullYear();
  return new Intl.DateTimeFormat(language, {
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    ...(sameDay ? {} : { month: "short", day: "numeric" }),
    ...(sameYear ? {} : { year: "numeric" }),
  }).format(time);
}

/** A moment to the second, in UTC, for whoever hovers: "2026-11-20 10:32:05 UTC". */
export function exactTime(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** What is left, short: "1:45" below two minutes, then "12 min", "3 h", "2 d". Never below zero. */
export function remaining(language: Language, leftMs: number): string {
  const left = Math.max(0, Math.ceil(leftMs / 1000));
  if (left < 120) return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  const unit = (value: number, name: "minute" | "hour" | "day") =>
    new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short" }).format(value);
  if (left < 2 * 3600) return unit(Math.floor(left / 60), "minute");
  if (left < 48 * 3600) return unit(Math.floor(left / 3600), "hour");
  return unit(Math.floor(left / 86_400), "day");
}

/** Names side by side: "A, B, and C". */
export function listed(language: Language, names: readonly string[]): string {
  return new Intl.ListFormat(language, { type: "conjunction" }).format(names);
}
