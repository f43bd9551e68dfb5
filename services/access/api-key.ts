// What an API key looks like: hil_<kind>_<id>_<secret>_<checksum>.
//
// The kind and the checksum are for people and for scanners that look for leaked secrets; with the checksum most
// made-up keys are refused before the database is asked. Only the secret part proves anything.

import { randomBytes, randomInt } from "node:crypto";
import { crc32 } from "node:zlib";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";

/** Highest first: a key of several roles is named for the first of these that it has. */
const KINDS: readonly (readonly [Role, string])[] = [
  [Role.OWNER, "owner"],
  [Role.ADMINISTRATOR, "admin"],
  [Role.OPERATOR, "operator"],
  [Role.AUDITOR, "auditor"],
  [Role.RESPONDER, "responder"],
  [Role.AGENT, "agent"],
  [Role.RELAY, "relay"],
];
const FORM = new RegExp(
  `^(hil_(?:${KINDS.map(([, kind]) => kind).join("|")})_([a-z0-9]{12})_([0-9A-Za-z]{43}))_([0-9a-f]{8})$`,
);
const BASE_36 = "0123456789abcdefghijklmnopqrstuvwxyz";
const BASE_62 = `${BASE_36}ABCDEFGHIJKLMNOPQRSTUVWXYZ`;
const SECRET_BYTES = 32;
/** The digits that 256 bits take in base 62. */
const SECRET_DIGITS = 43;

/** A key as its holder sends it, in its parts. */
export interface ApiKeyParts {
  readonly id: string;
  readonly secret: string;
}

/** Makes the id of a key: 12 characters. */
export function newApiKeyId(): string {
  return Array.from({ length: 12 }, () => BASE_36[randomInt(BASE_36.length)]).join("");
}

/** Makes the secret part: 256 random bits. */
export function newApiKeySecret(): string {
  let rest = BigInt(`0x${randomBytes(SECRET_BYTES).toString("hex")}`);
  let digits = "";
  for (; rest > 0n; rest /= 62n) digits = BASE_62[Number(rest % 62n)] + digits;
  return digits.padStart(SECRET_DIGITS, "0");
}

/** Puts a key together. `roles` has at least one that a key can have. */
export function formatApiKey({ id, secret }: ApiKeyParts, roles: readonly Role[]): string {
  const kind = KINDS.find(([role]) => roles.includes(role))![1];
  const body = `hil_${kind}_${id}_${secret}`;
  return `${body}_${checksum(body)}`;
}

/** Takes a key apart; undefined for what is no API key. Asks nobody. */
export function parseApiKey(key: string): ApiKeyParts | undefined {
  const match = FORM.exec(key);
  if (!match) return undefined;
  const [, body, id, secret, given] = match;
  return checksum(body!) === given ? { id: id!, secret: secret! } : undefined;
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, "0");
}
