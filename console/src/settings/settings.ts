import { effect, signal } from "@preact/signals";
import type { Language } from "../text/format.ts";

/** What a person chose in this browser. */
export interface Settings {
  readonly language: Language | "system";
  readonly theme: "system" | "light" | "dark";
  /** Single keys act. Ctrl+Enter and Esc always do. */
  readonly shortcuts: boolean;
  /** The name to show with answers. May be empty. */
  readonly name: string;
}

// public/theme.js reads the same entry before the first paint.
const STORAGE_KEY = "hil.settings";
const DEFAULTS: Settings = { language: "system", theme: "system", shortcuts: true, name: "" };

/** The settings; kept in the browser, and followed by its other tabs. */
export const settings = signal<Settings>(read());

export function changeSettings(change: Partial<Settings>): void {
  settings.value = { ...settings.value, ...change };
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(settings.value));
  } catch {
    // storage is full or forbidden: the choice holds until the page is closed
  }
}

/** Shows the theme, and takes over what other tabs change. */
export function followSettings(): void {
  effect(() => {
    const { theme } = settings.value;
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  });
  addEventListener("storage", (event) => {
    if (event.key === STORAGE_KEY) settings.value = read();
  });
}

function read(): Settings {
  try {
    const stored = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}") as Partial<Settings>;
    return {
      language: stored.language === "zh-CN" || stored.language === "en" ? stored.language : DEFAULTS.language,
      theme: stored.theme === "light" || stored.theme === "dark" ? stored.theme : DEFAULTS.theme,
      shortcuts: stored.shortcuts !== false,
      name: typeof stored.name === "string" ? stored.name : "",
    };
  } catch {
    return DEFAULTS; // no storage, or an entry that is not ours
  }
}
