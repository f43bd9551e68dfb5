import { computed, effect, signal } from "@preact/signals";
import { settings } from "../settings/settings.ts";
import type { Catalogue } from "./en.ts";
import type { Language } from "./format.ts";

const loaded = signal<{ language: Language; catalogue: Catalogue } | undefined>(undefined);

/** The words to show. Read it while rendering: a change of language renders anew. Set once loadText has ended. */
export const text = computed<Catalogue>(() => {
  if (!loaded.value) throw new Error("loadText must end before anything is shown");
  return loaded.value.catalogue;
});

/** The language that is shown. */
export const language = computed<Language>(() => loaded.value?.language ?? "en");

/** Which language to show: the one that was chosen, else the first of the browser's that we speak, else English. */
export function chooseLanguage(chosen: Language | "system", browser: readonly string[]): Language {
  if (chosen !== "system") return chosen;
  for (const tag of browser) {
    if (/^zh\b/i.test(tag)) return "zh-CN";
    if (/^en\b/i.test(tag)) return "en";
  }
  return "en";
}

/** Loads one language and shows it. */
export async function loadText(wanted: Language): Promise<void> {
  const catalogue = wanted === "zh-CN" ? (await import("./zh-cn.ts")).zhCN : (await import("./en.ts")).en;
  loaded.value = { language: wanted, catalogue };
  document.documentElement.lang = wanted;
}

/** Loads the language of the settings, and follows them. Resolves when the first one is there. */
export function followLanguage(): Promise<void> {
  let first: Promise<void> | undefined;
  effect(() => {
    const wanted = chooseLanguage(settings.value.language, navigator.languages);
    if (loaded.peek()?.language === wanted) return;
    const loading = loadText(wanted);
    first ??= loading;
    // A language that cannot be loaded (offline) leaves the one that is shown.
    loading.catch(() => {});
  });
  return first ?? Promise.resolve();
}
