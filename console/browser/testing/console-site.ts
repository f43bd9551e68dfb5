import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { startEmbedded } from "@hil/cli/embedded.ts";
import { CONSOLE_DIST_DIR } from "@hil/gateway/console/console.ts";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";

/** The whole product on a free port and a folder of its own, with the console as it is built. */
export interface ConsoleSite {
  readonly url: string;
  readonly port: number;
  /** Calls as an agent of this user would. */
  readonly agent: Client<typeof SessionService>;
  /** Administers as the owner. */
  readonly access: Client<typeof AccessService>;
  signInUrl(): Promise<string>;
  close(): Promise<void>;
}

/** Starts the product. Rejects when the console is not built; it is taken as it was built last. */
export async function startConsoleSite(environment: NodeJS.ProcessEnv = {}): Promise<ConsoleSite> {
  if (!existsSync(join(CONSOLE_DIST_DIR, "index.html"))) {
    throw new Error("the console is not built: run npm run build first");
  }
  const dataDir = mkdtempSync(join(tmpdir(), "hil-browser-"));
  const server = await startEmbedded({
    environment: { HIL_PORT: "0", HIL_DATA_DIR: dataDir, ...environment },
    log: silentLog,
  });
  const transport = createConnectTransport({
    baseUrl: server.url,
    useBinaryFormat: true,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${server.localKey}`);
        return next(request);
      },
    ],
  });
  return {
    url: server.url,
    port: server.port,
    agent: createClient(SessionService, transport),
    access: createClient(AccessService, transport),
    signInUrl: () => server.signInUrl(),
    async close() {
      await server.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
