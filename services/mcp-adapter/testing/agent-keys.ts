// Principals beside the owner: keys of agents, each of which sees what it asked itself.

import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import type { HilProcess } from "./hil-process.ts";

/** The access service as the owner calls it. */
export function accessOf(hil: Pick<HilProcess, "url" | "key">) {
  const withKey: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${hil.key()}`);
    return next(request);
  };
  const transport = createConnectTransport({ baseUrl: hil.url, httpVersion: "1.1", interceptors: [withKey] });
  return createClient(AccessService, transport);
}

/** Makes an agent's key. */
export async function agentKey(
  hil: Pick<HilProcess, "url" | "key">,
  name: string,
): Promise<{ readonly secret: string; readonly keyId: string }> {
  const { secret, apiKey } = await accessOf(hil).createApiKey({ name, roles: [Role.AGENT] });
  return { secret, keyId: apiKey!.id };
}
