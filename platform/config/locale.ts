// The language that a program speaks to the person at its terminal in.

/** The languages that people are spoken to in. */
export type Locale = "zh-CN" | "en";

/** Picks the text of the person's language. */
export type Translate = (en: string, zh: string) => string;

/** The language that the environment names: HIL_LANG first, then the system's. Undefined: neither, as in "C.UTF-8". */
export function saidLocaleOf(environment: NodeJS.ProcessEnv): Locale | undefined {
  const said =
    environment.HIL_LANG || environment.LC_ALL || environment.LC_MESSAGES || environment.LANG || "";
  if (/^zh/i.test(said)) return "zh-CN";
  return /^en/i.test(said) ? "en" : undefined;
}

/** The language to speak to the person at the terminal in. */
export function localeOf(environment: NodeJS.ProcessEnv): Locale {
  return saidLocaleOf(environment) ?? "en";
}

/** Makes what picks the texts of a language. */
export function translateTo(locale: Locale): Translate {
  return (en, zh) => (locale === "zh-CN" ? zh : en);
}
