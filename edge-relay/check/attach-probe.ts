// Whether the server takes this relay, without taking its stream from one that runs: the first Hello is one that no server
// can take, so that what is refused first, the credential or the Hello, tells which of them is right.

import { randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type * as grpc from "@grpc/grpc-js";
import type { Welcome } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { AttachRequestSchema, type AttachResponse } from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import type { Translate } from "@hil/platform/config/locale.ts";
import { metadataOf, reasonOf } from "@hil/platform/errors/hil-error.ts";
import { errorOfStatus } from "@hil/platform/rpc/grpc-status.ts";
import { PROTOCOL_VERSION } from "../attachment.ts";
import type { Way } from "../config.ts";
import { openClient } from "../dial.ts";
import { callAttach } from "../grpc-call.ts";
import { version } from "../version.ts";
import { clockWords } from "./encryption.ts";
import { Obstacle } from "./finding.ts";
import { STEP_PATIENCE_MS } from "./network.ts";

/** Sees whether the credential is taken. Throws an Obstacle. */
export async function probeCredential(way: Way, t: Translate): Promise<void> {
  const { error } = await sayHello(way, { protocolVersion: 0, instanceId: randomUUID() });
  if (error && reasonOf(error) !== ErrorReason.INVALID_REQUEST)
    throw new Obstacle(attachWords(error, way, t));
}

/** Attaches for a moment, as a relay that runs nothing. Returns what the server says of itself. Throws an Obstacle. */
export async function probeAttach(way: Way, t: Translate, now: () => Date): Promise<Welcome> {
  const { welcome, error } = await sayHello(way, {
    protocolVersion: PROTOCOL_VERSION,
    instanceId: randomUUID(),
    softwareVersion: version(),
    time: timestampFromDate(now()),
  });
  if (!welcome) throw new Obstacle(attachWords(error ?? new ConnectError("", Code.Unknown), way, t));
  const clock = welcome.time && clockWords(timestampDate(welcome.time), now(), t);
  if (clock) throw new Obstacle(clock);
  return welcome;
}

type HelloInit = Extract<
  NonNullable<MessageInitShape<typeof AttachRequestSchema>["message"]>,
  { case: "hello" }
>["value"];

function sayHello(
  way: Way,
  hello: HelloInit,
): Promise<{ welcome?: Welcome; error?: ConnectError | undefined }> {
  const client = openClient(way);
  const call = callAttach(client, way.token);
  return new Promise<{ welcome?: Welcome; error?: ConnectError | undefined }>((resolve) => {
    const late = setTimeout(
      () => resolve({ error: new ConnectError("no answer came", Code.DeadlineExceeded) }),
      STEP_PATIENCE_MS,
    );
    call.on("data", ({ message }: AttachResponse) => {
      if (message.case === "welcome") resolve({ welcome: message.value });
    });
    call.on("error", () => {}); // the status says it
    call.on("status", (status: grpc.StatusObject) => {
      clearTimeout(late);
      resolve({ error: errorOfStatus(status) });
    });
    call.write(create(AttachRequestSchema, { message: { case: "hello", value: hello } }));
  }).finally(() => {
    call.cancel();
    client.close();
  });
}

/** What the end of a call means. Pure. */
export function attachWords(error: ConnectError, { server }: Pick<Way, "server">, t: Translate): string {
  const at = `${server.host}:${server.port}`;
  const { rawMessage } = error;
  switch (reasonOf(error)) {
    case ErrorReason.CREDENTIAL_INVALID:
      return t(
        `the server does not know the credential of HIL_TOKEN: it is wrong, was revoked or is past its time; make another with "hil relay create NAME"`,
        `服务端不认可 HIL_TOKEN：凭证有误、已吊销或已过期；请用 "hil relay create 名称" 重新创建`,
      );
    case ErrorReason.ROLE_MISSING:
    case ErrorReason.SCOPE_MISSING:
      return t(
        `the credential of HIL_TOKEN is not a relay's: make one with "hil relay create NAME"`,
        `HIL_TOKEN 不是中转凭证：请用 "hil relay create 名称" 创建`,
      );
    case ErrorReason.RELAY_CERTIFICATE_MISMATCH: {
      const name = metadataOf(error).relay_name ?? "?";
      return t(
        `the certificate of HIL_CERT_FILE is not of ${name}, the relay that HIL_TOKEN is of: use one that has ${name} as a DNS name or as its common name`,
        `HIL_CERT_FILE 的证书不属于 HIL_TOKEN 对应的中转 ${name}：请使用以 ${name} 为 DNS 名称或通用名称（CN）的证书`,
      );
    }
    case ErrorReason.TENANT_SUSPENDED:
      return t("the tenant of this relay is suspended", "该中转所属租户已停用");
    case ErrorReason.RELAY_VERSION_UNSUPPORTED:
      return t(
        `this relay (${version()}) is too old for the server: upgrade it`,
        `中转版本（${version()}）过旧，请升级`,
      );
    default:
      break;
  }
  const http = /HTTP status code (\d{3})/.exec(rawMessage)?.[1];
  if (http === "502" || http === "503" || http === "504") {
    return t(
      `the web server at ${at} does not reach HIL behind it (HTTP ${http})`,
      `${at} 的 Web 服务器无法连接其后的 HIL（HTTP ${http}）`,
    );
  }
  if (http !== undefined || error.code === Code.Unknown) {
    return t(
      `what answers at ${at} is not HIL's port for relays (${http === undefined ? rawMessage : `HTTP ${http}`}): check HIL_URL`,
      `${at} 不是 HIL 的中转端口（${http === undefined ? rawMessage : `HTTP ${http}`}）：请检查 HIL_URL`,
    );
  }
  switch (error.code) {
    case Code.Unimplemented:
      return t(
        `the server at ${at} takes no relays: it is an older HIL, or another of its ports (the one for relays is 8082)`,
        `${at} 不接受中转：HIL 版本过旧，或端口不对（中转端口为 8082）`,
      );
    case Code.DeadlineExceeded:
      return t(`the server at ${at} does not answer the call`, `${at} 没有响应调用`);
    case Code.Unavailable:
    case Code.ResourceExhausted:
      return t(
        `the server at ${at} takes no relays now: ${rawMessage}`,
        `${at} 目前无法接受中转：${rawMessage}`,
      );
    default:
      return t(`something at ${at} refuses the call: ${rawMessage}`, `${at} 拒绝了调用：${rawMessage}`);
  }
}
