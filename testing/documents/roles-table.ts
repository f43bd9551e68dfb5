// The table of docs/access.md that says which role may call what, made from the policies in the contracts.
// Run as a program it puts the table where the document marks its place.

import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { getOption } from "@bufbuild/protobuf";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { policy, Role, RoleSchema } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { RelayService } from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";

const BEGIN = "<!-- roles:begin -->";
const END = "<!-- roles:end -->";
export const DOCUMENT = resolve(import.meta.dirname, "..", "..", "docs", "access.md");

const SERVICES = [SessionService, AccessService, DeliveryService, RelayService, CallbackService];
const COLUMNS = [
  Role.OWNER,
  Role.ADMINISTRATOR,
  Role.OPERATOR,
  Role.AUDITOR,
  Role.RESPONDER,
  Role.AGENT,
  Role.RELAY,
] as const;

/** One line for each RPC that people and programs may call. What only services call among themselves is left out. */
export function rolesTable(): string {
  const names = COLUMNS.map((role) => RoleSchema.value[role]!.localName.toLowerCase());
  const lines = [`| Call | Scope | ${names.join(" | ")} |`, `|---|---|${COLUMNS.map(() => ":-:|").join("")}`];
  for (const service of SERVICES) {
    for (const method of service.methods) {
      const { roles, scope } = getOption(method, policy);
      if (!COLUMNS.some((role) => roles.includes(role))) continue;
      const cells = COLUMNS.map((role) => (roles.includes(role) ? "✓" : ""));
      lines.push(`| \`${service.name}.${method.name}\` | \`${scope}\` | ${cells.join(" | ")} |`);
    }
  }
  return lines.join("\n");
}

/** The document with the table in its place. Throws where the place is not marked. */
export function withRolesTable(text: string): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin)
    throw new Error(`${DOCUMENT} does not mark the place with ${BEGIN} and ${END}`);
  return `${text.slice(0, begin + BEGIN.length)}\n${rolesTable()}\n${text.slice(end)}`;
}

if (process.argv[1] === join(import.meta.dirname, "roles-table.ts")) {
  writeFileSync(DOCUMENT, withRolesTable(readFileSync(DOCUMENT, "utf8")));
}
