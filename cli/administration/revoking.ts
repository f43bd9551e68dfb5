import type { Connection } from "../client.ts";
import { confirm } from "../confirmation.ts";
import { oneLine } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { findKey } from "./lookup.ts";

/** Ends a key, of a program or of a relay, once the person has said so. */
export async function revokeKey(
  connection: Connection,
  text: string,
  { tenant: tenantId = "", yes }: { tenant?: string; yes?: boolean },
  terminal: Terminal,
): Promise<void> {
  const { t } = terminal;
  const key = await findKey(connection, { tenantId, text, t });
  const name = oneLine(key.relayName || key.name);
  await confirm(
    terminal,
    t(`End the key ${key.id} of ${name} for good?`, `永久吊销 ${name} 的密钥 ${key.id}？`),
    { yes },
  );
  await connection.access.revokeApiKey({ tenantId, keyId: key.id });
  terminal.note(
    t(
      `key ${key.id} of ${name} is refused everywhere within 5 s`,
      `${name} 的密钥 ${key.id} 将在 5 秒内失效`,
    ),
  );
}
