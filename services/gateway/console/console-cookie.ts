import { CONSOLE_COOKIE, SECURE_CONSOLE_COOKIE } from "@hil/platform/auth/credential-headers.ts";

/**
 * The header that gives a browser its console session, or with an empty value takes it away. From the host that browsers
 * reach by https it never travels without, and no other host can set it.
 */
export function consoleCookie(
  value: string,
  { maxAgeS, isHttps }: { maxAgeS: number; isHttps: boolean },
): string {
  return [
    `${isHttps ? SECURE_CONSOLE_COOKIE : CONSOLE_COOKIE}=${value}`,
    "Path=/",
    `Max-Age=${maxAgeS}`,
    "HttpOnly",
    "SameSite=Lax",
    ...(isHttps ? ["Secure"] : []),
  ].join("; ");
}
