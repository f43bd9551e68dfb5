// The public keys that a person trusts: from a file, from an address, or from the server itself.

import type { PublicJwks } from "@hil/platform/signing/jws.ts";
import type { Connection } from "../client.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { readText } from "../option-values.ts";
import type { Terminal } from "../terminal.ts";

/** Where every deployment publishes its keys. */
const PUBLISHED = "/.well-known/hil-keys.json";

/** Reads keys from where `--key` says. Undefined: the server that the command line names. */
export async function readKeys(
  source: string | undefined,
  { connect, terminal }: { connect(): Promise<Connection>; terminal: Terminal },
): Promise<PublicJwks> {
  const { readPublicJwks } = await import("@hil/platform/signing/jws.ts");
  const { name, text } = await read(source, { connect, terminal });
  const keys = readPublicJwks(text);
  if (keys) return keys;
  throw new CommandError(
    EXIT.notFound,
    terminal.t(`there is no Ed25519 public key in ${name}`, `${name} 中没有 Ed25519 公钥`),
  );
}

async function read(
  source: string | undefined,
  { connect, terminal }: { connect(): Promise<Connection>; terminal: Terminal },
): Promise<{ name: string; text: string }> {
  if (source !== undefined && !/^https?:\/\//.test(source)) {
    return { name: source, text: await readText(source, terminal) };
  }
  const { readDocument } = await import("../client.ts");
  const name = source ?? `${(await connect()).service.baseUrl}${PUBLISHED}`;
  const { status, body } = await readDocument(name, terminal);
  if (status === 200) return { name, text: body };
  throw new CommandError(
    EXIT.unavailable,
    terminal.t(`${name} gave no keys (HTTP ${status})`, `${name} 没有返回公钥（HTTP ${status}）`),
  );
}
