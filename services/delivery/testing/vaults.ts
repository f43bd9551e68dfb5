// Vaults whose master keys everybody knows.

import { createKeyProvider } from "@hil/platform/secrets/key-provider.ts";
import { createVault } from "@hil/platform/secrets/vault.ts";

const [OLDER, NEWER] = [Buffer.alloc(32, 1), Buffer.alloc(32, 4)];
const ROOT = Buffer.alloc(32, 2);

export const VAULT = createVault(createKeyProvider([OLDER]), ROOT);
/** After a rotation of the master key. */
export const NEWER_VAULT = createVault(createKeyProvider([NEWER, OLDER]), ROOT);
