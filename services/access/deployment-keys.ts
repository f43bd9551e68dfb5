// The keys of the deployment itself, which are in no database.
//
// O1. The owner key is kept as a hash only; it is shown once, when it is made. A preset one is the only one.
// O2. Programs of the same user on the same machine read `local.key` from the data folder; it is new at every start, so
//     that a copy of the folder opens nothing. Where replicas share the folder it stays: each must know it.
// O3. Comparing takes the same time for every wrong key.

import { randomBytes, timingSafeEqual } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { localKeyPath, readLocalKey } from "@hil/platform/auth/local-key.ts";
import { DEFAULT_TENANT, type Principal } from "@hil/platform/auth/principal.ts";
import { writeNewFile } from "@hil/platform/secrets/private-file.ts";
import { sha256 } from "./secret-hash.ts";

export const OWNER: Principal = { kind: "owner", id: "owner", tenantId: DEFAULT_TENANT, roles: [Role.OWNER] };
const LOCAL: Principal = { ...OWNER, kind: "local" };
/** Who calls the earlier system's endpoints without a key: may ask, and wait for what it asked. */
const KEYLESS: Principal = { kind: "keyless", id: "owner", tenantId: DEFAULT_TENANT, roles: [Role.AGENT] };

export interface DeploymentKeys {
  /** Whose key it is; undefined where it is none of these. */
  principalOf(key: string): Principal | undefined;
  /** The owner key, if this start made it. Show it once. */
  readonly newOwnerKey: string | undefined;
  /** The key of this user's own programs. */
  readonly localKey: string;
}

/** Opens the keys of a data folder, making what is missing. */
export function openDeploymentKeys({
  dataDir,
  ownerKey,
  keylessKey,
  isShared = false,
}: {
  dataDir: string;
  /** HIL_OWNER_KEY. */
  ownerKey: string | undefined;
  /** What the gateway shows for callers without a key, where it serves them. */
  keylessKey: string | undefined;
  /** Other replicas use the folder too. */
  isShared?: boolean;
}): DeploymentKeys {
  const folder = dirname(localKeyPath(dataDir));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { hash: ownerHash, made: newOwnerKey } = openOwnerKey(join(folder, "owner-key.sha256"), ownerKey);
  const localKey = openLocalKey(dataDir, isShared);
  // Console sessions were signed with this once. They are rows now, and can be ended.
  rmSync(join(folder, "console.key"), { force: true });

  const keys: readonly (readonly [Buffer, Principal])[] = [
    [ownerHash, OWNER],
    [sha256(localKey), LOCAL],
    ...(keylessKey === undefined ? [] : ([[sha256(keylessKey), KEYLESS]] as const)),
  ];
  return {
    newOwnerKey,
    localKey,
    principalOf(key) {
      const given = sha256(key);
      let found: Principal | undefined;
      for (const [expected, principal] of keys) if (timingSafeEqual(given, expected)) found = principal;
      return found;
    },
  };
}

function openOwnerKey(file: string, preset: string | undefined): { hash: Buffer; made?: string } {
  if (preset !== undefined) return { hash: sha256(preset) };
  if (existsSync(file)) return { hash: readHash(file) };
  const made = `hil_owner_${randomBytes(32).toString("base64url")}`;
  const hash = sha256(made);
  writeNewFile(file, `${hash.toString("hex")}\n`);
  // Of replicas that start at the same time one makes it, and shows it.
  const kept = readHash(file);
  return kept.equals(hash) ? { hash, made } : { hash: kept };
}

function readHash(file: string): Buffer {
  const hash = Buffer.from(readFileSync(file, "utf8").trim(), "hex");
  if (hash.length === 32) return hash;
  throw new Error(`${file} is damaged: restore it, or delete it and start again for a new owner key`);
}

function openLocalKey(dataDir: string, isShared: boolean): string {
  const made = `hil_local_${randomBytes(32).toString("base64url")}`;
  if (!isShared) {
    writeSecret(localKeyPath(dataDir), `${made}\n`);
    return made;
  }
  writeNewFile(localKeyPath(dataDir), `${made}\n`);
  const kept = readLocalKey(dataDir);
  if (kept !== undefined) return kept;
  throw new Error(`${localKeyPath(dataDir)} is damaged: delete it and start again`);
}

function writeSecret(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600 });
  chmodSync(file, 0o600); // an existing file keeps its mode otherwise
}
