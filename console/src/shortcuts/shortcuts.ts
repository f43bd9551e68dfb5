import { useEffect, useRef } from "preact/hooks";
import { settings } from "../settings/settings.ts";

/** What a key means. */
export type Shortcut =
  | { readonly kind: "next" | "previous" | "help" | "search" | "back" | "note" | "send" }
  | { readonly kind: "pick"; readonly number: number };

/** What of a keyboard event decides. */
export type Key = Pick<
  KeyboardEvent,
  "key" | "ctrlKey" | "metaKey" | "altKey" | "isComposing" | "defaultPrevented"
>;

/**
 * Reads a key. Nothing acts during input of Chinese (IME); single keys do not act while typing or when they
 * are switched off; and no single key sends.
 */
export function shortcutOf(
  key: Key,
  { typing, singleKeys }: { typing: boolean; singleKeys: boolean },
): Shortcut | undefined {
  if (key.isComposing || key.defaultPrevented) return undefined;
  if (key.key === "Enter" && (key.ctrlKey || key.metaKey) && !key.altKey) return { kind: "send" };
  if (key.ctrlKey || key.metaKey || key.altKey || typing) return undefined;
  if (key.key === "Escape") return { kind: "back" };
  if (!singleKeys) return undefined;
  if (/^[1-9]$/.test(key.key)) return { kind: "pick", number: Number(key.key) };
  switch (key.key.toLowerCase()) {
    case "j":
      return { kind: "next" };
    case "k":
      return { kind: "previous" };
    case "?":
      return { kind: "help" };
    case "/":
      return { kind: "search" };
    case "n":
      return { kind: "note" };
    default:
      return undefined;
  }
}

/** True where keys make text, or choose in a list of the browser's. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  if (target instanceof HTMLInputElement)
    return !["radio", "checkbox", "button", "submit"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** Handlers by what a key means. One that returns false leaves the key to the browser. */
export type ShortcutHandlers = Partial<Record<Exclude<Shortcut["kind"], "pick">, () => unknown>> & {
  pick?: (number: number) => unknown;
};

/** Listens for keys while the component is shown. An open dialog keeps them for itself. */
export function useShortcuts(handlers: ShortcutHandlers): void {
  const current = useRef(handlers);
  current.current = handlers;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (document.querySelector("dialog[open]")) return;
      const shortcut = shortcutOf(event, {
        typing: isTyping(event.target),
        singleKeys: settings.peek().shortcuts,
      });
      if (!shortcut) return;
      const handled =
        shortcut.kind === "pick"
          ? current.current.pick && current.current.pick(shortcut.number) !== false
          : current.current[shortcut.kind] && current.current[shortcut.kind]!() !== false;
      if (handled) event.preventDefault();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
}

/** How the keys that send are called on this machine. */
export function sendKeys(): string {
  return /mac|iphone|ipad/i.test(navigator.userAgent) ? "⌘ Enter" : "Ctrl Enter";
}
