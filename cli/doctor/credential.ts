// Looks at the credential: whose it is, what it may do, and how long it lasts.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { Principal_Kind } from "@hil/gen/hil/access/v1/access_pb.ts";
import type { WhoAmIResponse } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { roleWords } from "../administration/roles.ts";
import type { Connection } from "../client.ts";
import { relativeTime } from "../relative-time.ts";
import { oneLine } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { type Finding, hint, ok, problem } from "./finding.ts";

/** A key that ends within this time should be replaced now. */
const SOON_MS = 14 * 86_400_000;

/** Whether the key opens anything. The findings after a problem would be about the same thing. */
export async function checkCredential(
  { access }: Pick<Connection, "access">,
  terminal: Terminal,
): Promise<Finding[]> {
  const { t } = terminal;
  try {
    return credentialFindings(await access.whoAmI({}), terminal);
  } catch (error) {
    if (reasonOf(error) === ErrorReason.SCOPE_MISSING) {
      return [ok(t("the credential works, for its scopes alone", "凭证有效（仅限其范围）"))];
    }
    return [
      problem(t("the credential does not work", "凭证无效"), oneLine(ConnectError.from(error).rawMessage)),
    ];
  }
}

/** What there is to say about a credential that works. Pure. */
export function credentialFindings(
  { principal, expireTime }: WhoAmIResponse,
  { t, now, locale }: Pick<Terminal, "t" | "now" | "locale">,
): Finding[] {
  if (!principal) return [];
  const roles = roleWords(principal.roles);
  const works = t(
    `the credential works: ${principal.id}, tenant ${principal.tenantId} (${roles})`,
    `凭证有效：${principal.id}，租户 ${principal.tenantId}（${roles}）`,
  );
  const findings = [ok(works)];
  if (principal.scopes.length > 0) {
    findings.push(
      ok(t(`narrowed to ${principal.scopes.join(", ")}`, `范围限于 ${principal.scopes.join("、")}`)),
    );
  }
  if (principal.kind !== Principal_Kind.API_KEY || !expireTime) return findings;
  const end = relativeTime(new Date(timestampMs(expireTime)), now(), locale);
  const isSoon = timestampMs(expireTime) - now().getTime() < SOON_MS;
  findings.push(
    isSoon
      ? hint(
          t(`the key ends ${end}`, `密钥${end}到期`),
          t(
            `an administrator replaces it: hil key rotate ${principal.keyId}`,
            `请管理员轮换：hil key rotate ${principal.keyId}`,
          ),
        )
      : ok(t(`the key ends ${end}`, `密钥${end}到期`)),
  );
  return findings;
}
