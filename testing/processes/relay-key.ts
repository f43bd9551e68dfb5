import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";

/** Makes a relay's credential in a deployment, as its owner. */
export async function createRelayKey(
  { url, ownerKey }: { url: string; ownerKey: string },
  relayName: string,
): Promise<string> {
  const transport = createConnectTransport({
    baseUrl: url,
    httpVersion: "1.1",
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${ownerKey}`);
        return next(request);
      },
    ],
  });
  const access = createClient(AccessService, transport);
  const { secret } = await access.createApiKey({ name: relayName, roles: [Role.RELAY], relayName });
  return secret;
}
