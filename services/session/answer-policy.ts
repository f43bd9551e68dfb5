// Who may answer.
//
// P1. Where a session names who may answer, nobody else does: no owner, no administrator, no service.
// P2. Nobody answers what they asked under such a policy, and a program that asks is not a person: a model cannot
//     choose itself.

import { Code } from "@connectrpc/connect";
import { Role, RoleSchema } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import type { AnswerPolicy, Responder, Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { hasRole, type Principal } from "@hil/platform/auth/principal.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";

/** The roles that people have. Programs ask, serve and relay; they decide nothing. */
const ROLES_OF_PEOPLE: readonly Role[] = [
  Role.OWNER,
  Role.ADMINISTRATOR,
  Role.OPERATOR,
  Role.AUDITOR,
  Role.RESPONDER,
];

/** Throws INVALID_REQUEST for a policy that lets nobody answer, or programs. */
export function checkAnswerPolicy({ members, roles, userIds }: AnswerPolicy): void {
  if (members.length + roles.length + userIds.length === 0) {
    throw invalid("answer_policy", "names nobody who may answer; name a member, a role or a user id");
  }
  if (members.includes("") || userIds.includes("")) {
    throw invalid("answer_policy", "holds an empty member or user id; leave it out");
  }
  const program = roles.find((role) => !ROLES_OF_PEOPLE.includes(role));
  if (program !== undefined) {
    const name = RoleSchema.value[program]?.name ?? String(program);
    throw invalid("answer_policy.roles", `holds ${name}, which is no role of people; only people answer`);
  }
}

/** Whether somebody who signed in may answer a session. */
export function mayAnswer(session: Session, principal: Principal): boolean {
  const policy = session.answerPolicy;
  if (!policy) return true;
  if (session.asker?.principalId === principal.id) return false;
  if (hasRole(principal, Role.AGENT) && !principal.memberId) return false;
  return isNamed(policy, principal.memberId, principal.roles);
}

/** Whether somebody in a chat may answer a session. */
export function mayReply(session: Session, sender: Responder): boolean {
  const policy = session.answerPolicy;
  if (!policy) return true;
  const askerId = session.asker?.principalId ?? "";
  if (sender.memberId && askerId === principalIdOfMember(sender.memberId)) return false;
  if (sender.userId && policy.userIds.includes(sender.userId)) return true;
  // Only a known member has roles.
  return sender.memberId !== "" && isNamed(policy, sender.memberId, sender.roles);
}

/** Who replied, for the audit log: the member, or the vendor's user where none is known. */
export function replierOf(sender: Responder, channelId: string): string {
  return sender.memberId ? principalIdOfMember(sender.memberId) : `${channelId}:${sender.userId}`;
}

export function responderNotAllowed(session: Session) {
  return hilError(
    Code.PermissionDenied,
    ErrorReason.RESPONDER_NOT_ALLOWED,
    `session ${session.id} names who may answer it, and you are not among them; ask one of them, or have it asked again`,
    { session_id: session.id },
  );
}

function isNamed({ members, roles }: AnswerPolicy, memberId: string | undefined, has: readonly Role[]) {
  return (memberId !== undefined && members.includes(memberId)) || roles.some((role) => has.includes(role));
}

function principalIdOfMember(memberId: string): string {
  return `member:${memberId}`;
}

function invalid(field: string, problem: string) {
  return hilError(Code.InvalidArgument, ErrorReason.INVALID_REQUEST, `${field} ${problem}`, {
    field,
    rule: "consistent",
  });
}
