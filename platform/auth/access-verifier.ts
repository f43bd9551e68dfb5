import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import type { Credential, Verified } from "./authenticator.ts";
import { principalOfMessage } from "./principal-message.ts";

/** Asks the access service what a credential is worth. `access` is called with a credential of ROLE_SERVICE. */
export function createAccessVerifier(access: Pick<Client<typeof AccessService>, "authenticate">) {
  return async ({ kind, value }: Credential): Promise<Verified> => {
    const credential =
      kind === "bearer" ? { case: "bearer" as const, value } : { case: "consoleSession" as const, value };
    const { principal, validUntil } = await access.authenticate({ credential });
    return { principal: principalOfMessage(principal!), validUntilMs: timestampDate(validUntil!).getTime() };
  };
}
