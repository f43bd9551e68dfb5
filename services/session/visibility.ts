// Who sees a session.
//
// Its asker does, and whoever sees the whole tenant. People who answer see what everybody may answer, and of what an
// answer policy keeps for some, only what names them. For everybody else there is no such session.

import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import type { AnswerPolicy, Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { hasRole, type Principal, seesWholeTenant } from "@hil/platform/auth/principal.ts";

/** How much of a tenant somebody sees. */
export type Viewer =
  | { readonly kind: "everything" }
  | {
      readonly kind: "some";
      /** Sees what this principal asked. */
      readonly askerId: string;
      /** Sees what everybody may answer, and what names one of these; undefined: neither. */
      readonly responder: readonly string[] | undefined;
    };

export const SEES_EVERYTHING: Viewer = { kind: "everything" };

export function viewerOf(principal: Principal): Viewer {
  if (seesWholeTenant(principal)) return SEES_EVERYTHING;
  const responder = hasRole(principal, Role.RESPONDER) ? namesOf(principal) : undefined;
  return { kind: "some", askerId: principal.id, responder };
}

/** The names by which an answer policy may mean a principal. */
function namesOf({ memberId, roles }: Principal): string[] {
  const names = roles.map(nameOfRole);
  return memberId ? [nameOfMember(memberId), ...names] : names;
}

/** The names that an answer policy lists, each once. People who are known to a vendor only see nothing here. */
export function namedBy({ members, roles }: AnswerPolicy): string[] {
  return [...new Set([...members.map(nameOfMember), ...roles.map(nameOfRole)])];
}

export function isVisible(session: Session, viewer: Viewer): boolean {
  if (viewer.kind === "everything") return true;
  if (session.asker?.principalId === viewer.askerId) return true;
  if (viewer.responder === undefined) return false;
  if (!session.answerPolicy) return true;
  const named = namedBy(session.answerPolicy);
  return viewer.responder.some((name) => named.includes(name));
}

export function isAsker(session: Session, principal: Principal): boolean {
  return session.asker?.principalId === principal.id;
}

function nameOfMember(id: string): string {
  return `member:${id}`;
}

function nameOfRole(role: Role): string {
  return `role:${role}`;
}
