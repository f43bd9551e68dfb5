// A relay that says just what a test has it say: the stream and nothing else.

import { randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import type { ConnectError } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import { Attempt_Outcome, Channel_Kind } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type {
  CommandResultSchema,
  HelloSchema,
  ImagePart,
  RelayFrameSchema,
  SendCommand,
  Welcome,
} from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import {
  AttachRequestSchema,
  type AttachResponse,
  RelayService,
} from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import { uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { grpcMethod } from "@hil/platform/rpc/grpc-method.ts";
import { errorOfStatus } from "@hil/platform/rpc/grpc-status.ts";

const method = grpcMethod(RelayService.method.attach);
export const ROBOT = { channelId: "wecom-robot", kind: Channel_Kind.WECOM_ROBOT };

export interface RawRelay extends AsyncDisposable {
  /** Says Hello and resolves with the answer. Rejects with the error that the stream ended with. */
  hello(given?: MessageInitShape<typeof HelloSchema>): Promise<Welcome>;
  say(request: MessageInitShape<typeof AttachRequestSchema>): void;
  /** Says frames under the next numbers. */
  frames(...frames: MessageInitShape<typeof RelayFrameSchema>[]): void;
  result(result: MessageInitShape<typeof CommandResultSchema>): void;
  /** Says a message of a vendor; returns its id. */
  inbound(body: string, more?: { inboundId?: string; channelId?: string; receiveTimeMs?: number }): string;
  /** What it names its process in Hello, where a test says nothing else. */
  readonly instanceId: string;
  readonly commands: readonly SendCommand[];
  readonly pictureParts: readonly ImagePart[];
  readonly received: readonly AttachResponse[];
  /** The last acknowledgement of its frames. */
  readonly acknowledged: bigint;
  /** How many of its frames were not acknowledged. */
  readonly onTheWay: number;
  /** Whether it acknowledges commands and sends heartbeats by itself. Default: it does. */
  wellBehaved: boolean;
  /** Answers each command by itself. Default: it does not. */
  answer: ((command: SendCommand) => MessageInitShape<typeof CommandResultSchema> | undefined) | undefined;
  /** Called after each message of the server. */
  onHeard: (() => void) | undefined;
  /** Resolves when the stream is over: with its error, or undefined where it ended well. */
  readonly ended: Promise<ConnectError | undefined>;
  /** Ends its half. */
  end(): void;
  /** Cuts the connection. */
  cut(): void;
}

/** Opens a stream. */
export function openRawRelay(
  port: number,
  {
    token,
    credentials = grpc.credentials.createInsecure(),
    host = "127.0.0.1",
    options = {},
  }: {
    token?: string;
    credentials?: grpc.ChannelCredentials;
    host?: string;
    options?: grpc.ClientOptions;
  },
): RawRelay {
  const client = new grpc.Client(`${host}:${port}`, credentials, options);
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  const call = client.makeBidiStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    metadata,
  );
  const instanceId = randomUUID();
  const received: AttachResponse[] = [];
  const commands: SendCommand[] = [];
  const pictureParts: ImagePart[] = [];
  const welcomed = Promise.withResolvers<Welcome>();
  welcomed.promise.catch(() => {});
  const over = Promise.withResolvers<ConnectError | undefined>();
  let taken = 0n;
  let acknowledged = 0n;
  let next = 1n;
  let isOpen = true;
  const say = (request: MessageInitShape<typeof AttachRequestSchema>) => {
    if (isOpen) call.write(create(AttachRequestSchema, { acknowledgedNumber: taken, ...request }));
  };
  const beating = setInterval(() => {
    if (relay.wellBehaved) say({ message: { case: "heartbeat", value: {} } });
  }, 1_000);
  call.on("error", () => {});
  call.on("status", (status: grpc.StatusObject) => {
    isOpen = false;
    clearInterval(beating);
    const error = errorOfStatus(status);
    welcomed.reject(error ?? new Error("the stream ended well before it was welcomed"));
    over.resolve(error);
    client.close();
  });
  call.on("data", (response: AttachResponse) => {
    received.push(response);
    acknowledged = response.acknowledgedNumber;
    const { message } = response;
    if (message.case === "welcome") welcomed.resolve(message.value);
    if (message.case !== "frames") {
      relay.onHeard?.();
      return;
    }
    taken = message.value.firstNumber + BigInt(message.value.frames.length) - 1n;
    for (const { kind } of message.value.frames) {
      if (kind.case === "imagePart") pictureParts.push(kind.value);
      if (kind.case !== "send") continue;
      commands.push(kind.value);
      const result = relay.answer?.(kind.value);
      if (result) relay.result(result);
    }
    if (relay.wellBehaved) say({});
    relay.onHeard?.();
  });
  const relay: RawRelay = {
    wellBehaved: true,
    answer: undefined,
    onHeard: undefined,
    instanceId,
    commands,
    pictureParts,
    received,
    get acknowledged() {
      return acknowledged;
    },
    get onTheWay() {
      return Number(next - 1n - acknowledged);
    },
    ended: over.promise,
    say,
    hello(given = {}) {
      say({
        message: {
          case: "hello",
          value: {
            protocolVersion: 1,
            instanceId,
            softwareVersion: "raw",
            channels: [ROBOT],
            time: timestampNow(),
            ...given,
          },
        },
      });
      return welcomed.promise;
    },
    frames(...frames) {
      say({ message: { case: "frames", value: { firstNumber: next, frames } } });
      next += BigInt(frames.length);
    },
    result(result) {
      relay.frames({ kind: { case: "result", value: result } });
    },
    inbound(
      body,
      { inboundId = uuidV7(Date.now()), channelId = ROBOT.channelId, receiveTimeMs = Date.now() } = {},
    ) {
      relay.frames({
        kind: {
          case: "inbound",
          value: {
            inboundId,
            channelId,
            body: Buffer.from(body),
            receiveTime: timestampFromMs(receiveTimeMs),
          },
        },
      });
      return inboundId;
    },
    end: () => call.end(),
    cut() {
      call.cancel();
    },
    async [Symbol.asyncDispose]() {
      call.cancel();
      await over.promise;
    },
  };
  return relay;
}

/** That a vendor took a message. */
export function delivered({ commandId }: SendCommand): MessageInitShape<typeof CommandResultSchema> {
  return { commandId, outcome: Attempt_Outcome.DELIVERED };
}
