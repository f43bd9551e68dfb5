import type { CallHeaders } from "../rpc/service.ts";

/** The console's cookie, by http. */
export const CONSOLE_COOKIE = "hil_console";
/** The same by https: a browser takes it from this very host only, and sends it nowhere else. */
export const SECURE_CONSOLE_COOKIE = `__Host-${CONSOLE_COOKIE}`;

/**
 * The key or token in `Authorization`; undefined without that header, "" where it is of no form that is served. Old
 * clients can only send userinfo, which arrives as Basic; the password is the key.
 */
export function bearerOf(headers: CallHeaders): string | undefined {
  const header = headers.get("authorization");
  if (!header) return undefined;
  const bearer = /^bearer +(\S+)$/i.exec(header);
  if (bearer) return bearer[1];
  const basic = /^basic +([a-z0-9+/=]+)$/i.exec(header);
  if (!basic) return "";
  const userinfo = Buffer.from(basic[1]!, "base64").toString("utf8");
  return userinfo.slice(userinfo.indexOf(":") + 1);
}

/** What the console's cookie holds; undefined without one. The cookie that only https can set wins. */
export function consoleSessionOf(cookies: string | null | undefined): string | undefined {
  let plain: string | undefined;
  for (const part of cookies?.split(";") ?? []) {
    const [name, value] = part.trim().split("=", 2);
    if (name === SECURE_CONSOLE_COOKIE) return value;
    if (name === CONSOLE_COOKIE) plain ??= value;
  }
  return plain;
}

/** The console's part of the cookies, as a header of its own; null without one. */
export function consoleSessionCookieOf(headers: CallHeaders): string | null {
  const session = consoleSessionOf(headers.get("cookie"));
  return session === undefined ? null : `${CONSOLE_COOKIE}=${session}`;
}
