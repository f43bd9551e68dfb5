import type { Client } from "@connectrpc/connect";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { z } from "zod";
import { BadRequest } from "../rest-error.ts";
import type { Route } from "../route-table.ts";

const body = z.strictObject({
  member_id: z.string().max(100).default(""),
  tenant_id: z.string().max(63).default(""),
  lifetime_seconds: z.number().int().min(1).max(604_800).optional(),
});

/**
 * POST /api/console/sign-in-link: makes a link that signs one browser in, once. An owner gets one for itself, or names a
 * member; an administrator names a member: `hil sign-in`.
 */
export function signInLinkRoute({
  access,
  publicUrl,
}: {
  /** Without a credential of its own: the access service decides by the caller's. */
  access: Client<typeof AccessService>;
  publicUrl: () => string;
}): Route {
  return {
    method: "POST",
    pattern: "/console/sign-in-link",
    prefix: "api",
    access: "key",
    async handle({ credential, body: sent }): Promise<{ status: number; body: { url: string } }> {
      const given = body.safeParse((await sent.json()) ?? {});
      if (!given.success) throw new BadRequest('send {"member_id": "…"}, or nothing for the owner');
      const { member_id: memberId, tenant_id: tenantId, lifetime_seconds: seconds } = given.data;
      const lifetime = seconds === undefined ? undefined : { seconds: BigInt(seconds) };
      const request = { memberId, tenantId, lifetime };
      const { token } = await access.createSignInLink(request, { headers: credential });
      return { status: 200, body: { url: `${publicUrl()}/login#${token}` } };
    },
  };
}
