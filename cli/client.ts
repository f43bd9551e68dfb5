// The way to a server, and the key for it.
//
// Spoken over HTTP/1.1, because that passes every proxy. The key is read for each call: a server makes its
// local key anew at every start, and a command may outlive the server it began with.

import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { findKeys } from "@hil/platform/client/keys.ts";
import { proxyFor } from "@hil/platform/client/proxy.ts";
import { readServiceUrl, type ServiceUrl } from "@hil/platform/client/service-url.ts";
import { CommandError, EXIT } from "./exit-code.ts";
import type { Terminal } from "./terminal.ts";

/** The most that is read of a plain answer. */
const MOST_BYTES = 4 * 1024 * 1024;

export interface Connection {
  readonly service: ServiceUrl;
  readonly sessions: Client<typeof SessionService>;
  readonly delivery: Client<typeof DeliveryService>;
  readonly callback: Client<typeof CallbackService>;
  readonly access: Client<typeof AccessService>;
  /** The keys that would be shown to the server now, best first. */
  keys(): string[];
  /** Calls a plain HTTP endpoint. Rejects with a ConnectError where the server cannot be reached. */
  http(
    method: "GET" | "POST",
    path: string,
    body?: object,
    headers?: Readonly<Record<string, string>>,
  ): Promise<{ status: number; body: string }>;
}

/** The address that a command means: `--service-url`, HIL_SERVICE_URL, or this machine at HIL_PORT. */
export function serviceUrl(given: string | undefined, environment: NodeJS.ProcessEnv): ServiceUrl {
  const text = given || environment.HIL_SERVICE_URL || `http://127.0.0.1:${environment.HIL_PORT || 8080}`;
  const service = readServiceUrl(text);
  if (!service) {
    throw new CommandError(EXIT.usage, "--service-url is no address: write it like http://127.0.0.1:8080");
  }
  return service;
}

/** Readies the way to a server. Nothing is sent yet. */
export function connect(given: string | undefined, { environment, t }: Terminal): Connection {
  const service = serviceUrl(given, environment);
  const apiKey = environment.HIL_API_KEY || undefined;
  const keys = () => findKeys({ apiKey, service, dataDir: environment.HIL_DATA_DIR || undefined });
  const withKey: Interceptor = (next) => async (request) => {
    const [first, ...others] = keys();
    if (first === undefined) {
      throw new ConnectError(
        t(
          `no key for ${service.baseUrl}: set HIL_API_KEY to an API key, or to the owner key that the server printed at its first start`,
          `没有访问 ${service.baseUrl} 的密钥：请把 HIL_API_KEY 设为 API 密钥，或服务首次启动时打印的所有者密钥`,
        ),
        Code.Unauthenticated,
      );
    }
    for (const [at, key] of [first, ...others].entries()) {
      request.header.set("authorization", `Bearer ${key}`);
      try {
        return await next(request);
      } catch (error) {
        const refused = error instanceof ConnectError && error.code === Code.Unauthenticated;
        if (!refused || at === others.length) throw error;
      }
    }
    throw new Error("unreachable: the last key either worked or threw");
  };
  const agent = agentFor(service.baseUrl, environment);
  const transport = createConnectTransport({
    baseUrl: service.baseUrl,
    httpVersion: "1.1",
    nodeOptions: { agent },
    interceptors: [withKey],
  });
  return {
    service,
    keys,
    sessions: createClient(SessionService, transport),
    delivery: createClient(DeliveryService, transport),
    callback: createClient(CallbackService, transport),
    access: createClient(AccessService, transport),
    http(method, path, body = {}, more = {}) {
      const [key] = keys();
      const headers = {
        ...(key ? { authorization: `Bearer ${key}` } : {}),
        ...(method === "POST" ? { "content-type": "application/json" } : {}),
        ...more,
      };
      const text = method === "POST" ? JSON.stringify(body) : undefined;
      return send(service.baseUrl + path, { method, agent, headers }, text);
    },
  };
}

function agentFor(url: string, environment: NodeJS.ProcessEnv): HttpAgent | HttpsAgent {
  const proxy = proxyFor(url, environment);
  const options = {
    keepAlive: true,
    ...(proxy ? { proxyEnv: { http_proxy: proxy, https_proxy: proxy } } : {}),
  };
  return url.startsWith("https:") ? new HttpsAgent(options) : new HttpAgent(options);
}

/** Reads a public document, such as a deployment's keys: no credential is sent and no redirect is followed. */
export function readDocument(
  url: string,
  { environment }: Pick<Terminal, "environment">,
): Promise<{ status: number; body: string }> {
  return send(url, { method: "GET", agent: agentFor(url, environment), headers: {} });
}

async function send(
  url: string,
  options: { method: string; agent: HttpAgent | HttpsAgent; headers: Record<string, string> },
  text?: string,
): Promise<{ status: number; body: string }> {
  const { request } = url.startsWith("https:") ? await import("node:https") : await import("node:http");
  return new Promise((resolve, reject) => {
    const fail = (error: Error) =>
      reject(new ConnectError(error.message, Code.Unavailable, undefined, undefined, error));
    const call = request(url, { ...options, timeout: 10_000 }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MOST_BYTES) call.destroy(new Error(`the answer is larger than ${MOST_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on("error", fail);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") });
      });
    });
    call.on("timeout", () => call.destroy(new Error("no answer within 10 s")));
    call.on("error", fail);
    call.end(text);
  });
}
