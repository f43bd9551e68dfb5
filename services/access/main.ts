// AccessService in a process of its own. Any number of replicas.

import { createClient } from "@connectrpc/connect";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { runService } from "@hil/platform/lifecycle/run-service.ts";
import { readAccessConfig } from "./config.ts";
import { createJwtVerifier } from "./jwt.ts";
import { readJwtConfig } from "./jwt-config.ts";
import { openAccessService } from "./service.ts";

await runService({
  name: "access",
  needs: { storage: true, bus: false, peers: [] },
  requires: [],
  prepare(environment) {
    const settings = readAccessConfig(environment);
    const jwtConfig = readJwtConfig(environment);
    return async (parts) => {
      const { config, log, now } = parts;
      const { service, audit, newOwnerKey, localKey, close } = await openAccessService({
        ...parts,
        settings,
        sharesDataDir: true,
        jwt: jwtConfig && createJwtVerifier(jwtConfig, { now, log }),
      });
      return {
        services: [service],
        audit,
        close,
        async started() {
          if (newOwnerKey === undefined) return;
          // To stdout and not to the log, which leaves secrets out. Whoever reads it is who started the deployment.
          const client = createClient(AccessService, parts.asCaller("access"));
          const headers = { authorization: `Bearer ${localKey}` };
          const { token } = await client.createSignInLink({}, { headers });
          const url = config.publicUrl?.origin ?? "http://127.0.0.1:8080";
          process.stdout.write(`${firstWords({ url, token, ownerKey: newOwnerKey }).join("\n")}\n`);
        },
      };
    };
  },
});

function firstWords({ url, token, ownerKey }: { url: string; token: string; ownerKey: string }): string[] {
  return [
    "",
    "HIL is set up / HIL 已完成初始化",
    `  Console, sign in once within 15 minutes / 控制台（15 分钟内一次性登录）  ${url}/login#${token}`,
    `  Owner key, shown this once / 所有者密钥（仅显示一次）  ${ownerKey}`,
    "",
  ];
}
