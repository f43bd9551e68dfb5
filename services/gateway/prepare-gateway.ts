import type { Client } from "@connectrpc/connect";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import type { HttpHandler } from "@hil/platform/http/listener.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { readGatewayConfig } from "./config.ts";
import { CONSOLE_DIST_DIR, createConsole, isHttpsOf } from "./console/console.ts";
import { createOidcSignIn } from "./console/oidc.ts";
import { readOidcConfig } from "./console/oidc-config.ts";
import { createGateway, type GatewayOptions } from "./service.ts";

/** What the gateway is made of in either form of HIL. */
export interface GatewayParts extends Omit<GatewayOptions, "console" | "settings"> {
  /** As a service of the deployment. */
  readonly accessAsService: Client<typeof AccessService>;
  /** Where this deployment is reached. */
  readonly publicUrl: () => string;
  readonly log: Log;
  readonly now: () => Date;
}

/** Reads what the gateway is told, and gives what makes it. Throws a ConfigurationError. */
export function prepareGateway(
  environment: NodeJS.ProcessEnv,
  configuredUrl: URL | undefined,
): (parts: GatewayParts) => HttpHandler {
  const gatewayConfig = readGatewayConfig(environment);
  const oidcConfig = readOidcConfig(environment);
  const secureHost = configuredUrl?.protocol === "https:" ? configuredUrl.host : undefined;
  return ({ accessAsService: access, publicUrl, ...parts }) => {
    const { authenticate, sessions, log, now } = parts;
    const isHttps = isHttpsOf(secureHost);
    const oidc = oidcConfig && createOidcSignIn({ config: oidcConfig, access, publicUrl, isHttps, log, now });
    return createGateway({
      ...parts,
      console: createConsole({
        distDir: CONSOLE_DIST_DIR,
        authenticate,
        access,
        sessions,
        oidc,
        secureHost,
        log,
        now,
      }),
      settings: { ...gatewayConfig, publicUrl },
    });
  };
}
