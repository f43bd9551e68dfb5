// A tenant's policy as a file that people edit: YAML of the contract's JSON form. JSON is YAML too.

import { isDeepStrictEqual } from "node:util";
import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Tenant, type TenantPolicy, TenantPolicySchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { parse, stringify } from "yaml";
import { CommandError, EXIT } from "../exit-code.ts";

/** The most that is read: a policy with every list full is smaller. */
const MAX_CHARACTERS = 2_000_000;
/** Aliases are of no use here, and a few lines of them can stand for gigabytes. */
const PARSING = { maxAliasCount: 0, schema: "core", logLevel: "error" } as const;

/** The fields that are set, as YAML without a head, to be shown. Empty where none is. */
export function policyYaml(policy: TenantPolicy | undefined): string {
  return fieldsOf(policy).replace(/\n$/, "");
}

/** The policy for an editor, with a head that says whose it is. It can be read back. */
export function policyFile({ id, version, policy }: Tenant): string {
  return `# tenant ${id}, version ${version}. What is not here is as the deployment says.\n${fieldsOf(policy) || "{}\n"}`;
}

/** White space at its end may be a value's own: nothing is cut off. */
function fieldsOf(policy: TenantPolicy | undefined): string {
  const json = policy ? toJson(TenantPolicySchema, policy, { useProtoFieldName: true }) : {};
  if (Object.keys(json as object).length === 0) return "";
  const inBlocks = stringify(json, { lineWidth: 0 });
  // The library writes a few texts that begin with white space as blocks that read back as others.
  return isDeepStrictEqual(parse(inBlocks, PARSING), json)
    ? inBlocks
    : stringify(json, { lineWidth: 0, blockQuote: false });
}

/** Reads such a file. Throws a CommandError that says what is wrong, by the name of the field. */
export function readPolicyFile(text: string, name: string): TenantPolicy {
  if (text.length > MAX_CHARACTERS) throw wrong(`${name} is too large for a policy`);
  const value = readYaml(text, name);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(`${name} is no policy: it must hold fields, such as default_timeout: 1200s`);
  }
  try {
    return fromJson(TenantPolicySchema, value);
  } catch (error) {
    throw wrong(`${name} is no policy: ${plain((error as Error).message)}`);
  }
}

function readYaml(text: string, name: string): JsonValue {
  try {
    return parse(text, PARSING) ?? {};
  } catch (error) {
    throw wrong(`${name} cannot be read as YAML: ${(error as Error).message.split("\n", 1)[0]}`);
  }
}

/** The library names the message as the contract does; people know it as a policy. */
function plain(message: string): string {
  return message
    .replaceAll("hil.access.v1.", "")
    .replace(
      /^cannot decode message google\.protobuf\.Duration from JSON: (.*)$/,
      "$1: write seconds, such as 1200s",
    )
    .replace(/^cannot decode message TenantPolicy from JSON: /, "");
}

function wrong(sentence: string): CommandError {
  return new CommandError(EXIT.usage, sentence);
}
