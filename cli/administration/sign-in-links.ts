// Sign-in links, as the server makes them: it knows the address by which people reach it.

import type { Connection } from "../client.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { oneLine } from "../table.ts";
import type { Translate } from "../terminal.ts";

export interface SignInLinkRequest {
  /** Empty: the owner. */
  readonly memberId?: string;
  readonly tenantId?: string;
  /** Unset: 15 minutes. */
  readonly lifetimeSeconds?: number | undefined;
}

/** Makes a link that signs one browser in, once. Rejects with a CommandError that says why there is none. */
export async function makeSignInLink(
  { http, service }: Pick<Connection, "http" | "service">,
  { memberId = "", tenantId = "", lifetimeSeconds }: SignInLinkRequest,
  t: Translate,
): Promise<string> {
  const { status, body } = await http("POST", "/api/console/sign-in-link", {
    member_id: memberId,
    tenant_id: tenantId,
    lifetime_seconds: lifetimeSeconds,
  });
  const answer = readAnswer(body);
  if (status === 200 && answer.url) return answer.url;
  if (answer.error) throw new CommandError(exitCodeOf(status), oneLine(answer.error));
  throw new CommandError(
    EXIT.unavailable,
    t(
      `${service.baseUrl} gave no link (HTTP ${status}); is it a HIL server of this version?`,
      `${service.baseUrl} 没有返回链接（HTTP ${status}）；它是同版本的 HIL 服务吗？`,
    ),
  );
}

function readAnswer(body: string): { url?: string; error?: string } {
  try {
    const { url, error } = JSON.parse(body) as { url?: unknown; error?: unknown };
    return {
      ...(typeof url === "string" ? { url } : {}),
      ...(typeof error === "string" ? { error } : {}),
    };
  } catch {
    return {}; // not JSON: whatever answered is not a HIL server
  }
}

function exitCodeOf(status: number): number {
  if (status === 401 || status === 403) return EXIT.noCredential;
  if (status === 404) return EXIT.notFound;
  return status === 429 || status >= 500 ? EXIT.unavailable : EXIT.refused;
}
