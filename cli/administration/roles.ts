import { Role, RoleSchema } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { InvalidArgumentError } from "commander";
import { enumWord, enumWords, readEnumWord } from "../enum-words.ts";

/** The roles that can be given, as they are typed. */
export const ROLE_WORDS = enumWords(RoleSchema).filter((word) => word !== roleWord(Role.SERVICE));

export function roleWord(role: Role): string {
  return enumWord(RoleSchema, role);
}

export function roleWords(roles: readonly Role[]): string {
  return roles.map(roleWord).join(", ");
}

/** Reads every one of an option that may be repeated. */
export function collectRoles(text: string, earlier: readonly Role[] = []): Role[] {
  const role = readEnumWord(RoleSchema, text);
  if (role === undefined) throw new InvalidArgumentError(`write one of ${ROLE_WORDS.join(", ")}`);
  return [...earlier, role as Role];
}
