import { type Client, Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { AccessService, type RedeemLinkCodeRequest } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import type { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";

export interface FakeMember {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly userId?: string;
}

/** The people that the access service knows; a code links its sender to a member, once. */
export interface FakeAccess {
  readonly client: Client<typeof AccessService>;
  readonly members: FakeMember[];
  /** The ids of members, by code. */
  readonly codes: Map<string, string>;
  /** What was asked to be redeemed, oldest first. */
  readonly redeemed: RedeemLinkCodeRequest[];
  /** Called before each look-up; what it throws is the answer. */
  decide: () => void;
  /** How often it was asked who somebody is. */
  lookUps(): number;
}

export function createFakeAccess(): FakeAccess {
  const members: FakeMember[] = [];
  const codes = new Map<string, string>();
  const redeemed: RedeemLinkCodeRequest[] = [];
  let lookUps = 0;
  const client = createClient(
    AccessService,
    createRouterTransport(({ service }) =>
      service(AccessService, {
        resolveIdentity({ tenantId, identity }) {
          fake.decide();
          lookUps += 1;
          const member = members.find(
            (each) => each.tenantId === tenantId && each.userId === identity?.value,
          );
          return member ? { member: { ...member, roles: [...member.roles] } } : {};
        },
        redeemLinkCode(request) {
          redeemed.push(request);
          const id = codes.get(request.code.toUpperCase());
          const member = members.find((each) => each.id === id);
          const counts = request.tenantIds.length === 0 || request.tenantIds.includes(member?.tenantId ?? "");
          if (!member || !counts) {
            throw hilError(Code.NotFound, ErrorReason.LINK_CODE_INVALID, "the code does not work");
          }
          const userId = request.identity!.value;
          if (members.some((each) => each.tenantId === member.tenantId && each.userId === userId)) {
            throw hilError(Code.AlreadyExists, ErrorReason.IDENTITY_TAKEN, "another member's", { kind: "x" });
          }
          codes.delete(request.code.toUpperCase());
          members[members.indexOf(member)] = { ...member, userId };
          return { member: { ...member, roles: [...member.roles] } };
        },
      }),
    ),
  );
  const fake: FakeAccess = {
    client,
    members,
    codes,
    redeemed,
    decide: () => {},
    lookUps: () => lookUps,
  };
  return fake;
}
