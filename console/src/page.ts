/** What an address shows. */
export type Page =
  | { readonly kind: "inbox" }
  | { readonly kind: "session"; readonly sessionId: string }
  | { readonly kind: "settings" }
  | { readonly kind: "sign-in" }
  | { readonly kind: "unknown" };

/** Reads a path. "/" is the inbox. */
export function pageOf(path: string): Page {
  const session = /^\/s\/([^/]+)\/?$/.exec(path);
  if (session) return { kind: "session", sessionId: session[1]! };
  switch (path.replace(/\/$/, "")) {
    case "":
    case "/inbox":
      return { kind: "inbox" };
    case "/settings":
      return { kind: "settings" };
    case "/login":
      return { kind: "sign-in" };
    default:
      return { kind: "unknown" };
  }
}

/** The address of one session. `search` keeps the list's filters. */
export function sessionPath(sessionId: string, search: string): string {
  return `/s/${sessionId}${search ? `?${search}` : ""}`;
}

/** Where to go after signing in: a path of ours, or the inbox. Never another site. */
export function returnPath(search: string): string {
  const wanted = new URLSearchParams(search).get("next") ?? "";
  return /^\/(inbox|settings|s\/)[^\\]*$/.test(wanted) ? wanted : "/inbox";
}
