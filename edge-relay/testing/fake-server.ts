// The other side of the stream for tests of the relay alone: keeps to RelayService's rules, and breaks them where a test
// says so.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import type {
  CommandResult,
  Hello,
  RelayInbound,
  SendCommandSchema,
  ServerFrameSchema,
  WelcomeSchema,
} from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import {
  type AttachRequest,
  type AttachResponse,
  AttachResponseSchema,
  RelayService,
} from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { grpcMethod } from "@hil/platform/rpc/grpc-method.ts";
import { serviceErrorOf } from "@hil/platform/rpc/grpc-status.ts";

type Call = grpc.ServerDuplexStream<AttachRequest, AttachResponse | Uint8Array>;

/** One stream of a relay, from the server's side. */
export interface FakeStream {
  readonly epoch: number;
  readonly token: string;
  readonly hello: Hello;
  readonly heartbeats: number;
  readonly isOpen: boolean;
  send(...commands: MessageInitShape<typeof SendCommandSchema>[]): void;
  sendFrames(firstNumber: bigint, frames: MessageInitShape<typeof ServerFrameSchema>[]): void;
  acknowledge(number: bigint): void;
  /** Sends bytes as a message. */
  sendBytes(bytes: Uint8Array): void;
  drain(): void;
  /** Says nothing any more, and takes nothing. */
  goSilent(): void;
  /** Ends it; without an error, in good order. */
  end(error?: ConnectError): void;
}

export interface FakeServer extends AsyncDisposable {
  readonly port: number;
  readonly streams: readonly FakeStream[];
  /** All that came, in order, copies too. */
  readonly inbounds: readonly RelayInbound[];
  readonly results: readonly CommandResult[];
  /** Highest acknowledgement of commands on the newest stream. */
  readonly acknowledged: bigint;
  /** Decides whether a stream is taken; what it returns is thrown at the relay. */
  admit: (stream: { token: string; hello: Hello }) => ConnectError | undefined;
  /** Whether frames are acknowledged as they come. */
  acknowledges: boolean;
  welcome: MessageInitShape<typeof WelcomeSchema>;
  close(): Promise<void>;
}

export async function startFakeServer({
  credentials = grpc.ServerCredentials.createInsecure(),
  port = 0,
  host = "127.0.0.1",
  beatMs = 200,
  mostSilentMs = Number.POSITIVE_INFINITY,
  handled,
}: {
  credentials?: grpc.ServerCredentials;
  port?: number;
  host?: string;
  /** How often it says that it is there. */
  beatMs?: number;
  /** A relay that is not heard for so long is put out. Default: never. */
  mostSilentMs?: number;
  /** Resolves when a message of a person is dealt with: it is acknowledged then. Called once for each. Default: at once. */
  handled?: (inbound: RelayInbound) => Promise<void>;
} = {}): Promise<FakeServer> {
  const streams: FakeStream[] = [];
  const inbounds: RelayInbound[] = [];
  const results: CommandResult[] = [];
  let acknowledged = 0n;
  const fake: FakeServer = {
    port: 0,
    streams,
    inbounds,
    results,
    get acknowledged() {
      return acknowledged;
    },
    admit: () => undefined,
    acknowledges: true,
    welcome: {},
    async close() {
      server.forceShutdown();
    },
    [Symbol.asyncDispose]: () => fake.close(),
  };

  const dealtWith = new Map<string, Promise<void>>();
  const deal = (inbound: RelayInbound): Promise<void> => {
    const known = dealtWith.get(inbound.inboundId) ?? handled?.(inbound) ?? Promise.resolve();
    dealtWith.set(inbound.inboundId, known);
    return known;
  };

  const attach = (call: Call) => {
    /** The last frame that came, and the last that is done with, with all before it. */
    let came = 0n;
    let taken = 0n;
    let taking: Promise<void> = Promise.resolve();
    let next = 1n;
    let silent = false;
    let open = true;
    let stream: FakeStream | undefined;
    let heartbeats = 0;
    const write = (response: MessageInitShape<typeof AttachResponseSchema>) =>
      void call.write(create(AttachResponseSchema, response));
    const say = (message: MessageInitShape<typeof AttachResponseSchema>["message"]) => {
      if (!silent && open) write({ acknowledgedNumber: fake.acknowledges ? taken : 0n, message });
    };
    let heardMs = performance.now();
    const beat = setInterval(() => {
      say({ case: "heartbeat", value: {} });
      if (stream && performance.now() - heardMs > mostSilentMs) {
        fail(hilError(Code.DeadlineExceeded, ErrorReason.RELAY_SILENT, "nothing was heard"));
      }
    }, beatMs);
    const over = () => {
      open = false;
      clearInterval(beat);
    };
    const fail = (error: ConnectError) => {
      over();
      call.emit("error", serviceErrorOf(error));
    };
    call.on("data", (request: AttachRequest) => {
      if (silent || !open) return;
      heardMs = performance.now();
      acknowledged = request.acknowledgedNumber;
      const { message } = request;
      switch (message.case) {
        case "hello": {
          const token = String(call.metadata.get("authorization")[0] ?? "").replace(/^Bearer /, "");
          const refusal = fake.admit({ token, hello: message.value });
          if (refusal) {
            fail(refusal);
            return;
          }
          const epoch = streams.length + 1;
          stream = {
            epoch,
            token,
            hello: message.value,
            get heartbeats() {
              return heartbeats;
            },
            get isOpen() {
              return open;
            },
            send(...commands) {
              const firstNumber = next;
              next += BigInt(commands.length);
              const frames = commands.map((value) => ({ kind: { case: "send" as const, value } }));
              say({ case: "frames", value: { firstNumber, frames } });
            },
            sendFrames: (firstNumber, frames) => say({ case: "frames", value: { firstNumber, frames } }),
            acknowledge: (number) => write({ acknowledgedNumber: number }),
            sendBytes: (bytes) => void call.write(bytes),
            drain: () => say({ case: "drain", value: { reason: "maintenance" } }),
            goSilent() {
              silent = true;
            },
            end(error) {
              if (error) fail(error);
              else {
                over();
                call.end();
              }
            },
          };
          streams.push(stream);
          acknowledged = 0n;
          say({
            case: "welcome",
            value: {
              protocolVersion: 1,
              epoch: BigInt(epoch),
              relayName: "plant-2",
              heartbeatInterval: durationFromMs(500),
              window: 64,
              softwareVersion: "fake",
              time: timestampNow(),
              ...fake.welcome,
            },
          });
          return;
        }
        case "frames":
          for (const [index, { kind }] of message.value.frames.entries()) {
            const number = message.value.firstNumber + BigInt(index);
            if (number !== came + 1n) throw new Error(`frame ${number} came after ${came}`);
            came = number;
            if (kind.case === "inbound") inbounds.push(kind.value);
            if (kind.case === "result") results.push(kind.value);
            const done = kind.case === "inbound" ? deal(kind.value) : Promise.resolve();
            taking = taking.then(async () => {
              await done;
              taken = number;
              say({ case: undefined });
            });
          }
          return;
        case "heartbeat":
          heartbeats += 1;
          return;
        default:
          return;
      }
    });
    call.on("end", () => {
      if (silent || !open) return;
      over();
      call.end();
    });
    call.on("cancelled", over);
    call.on("error", over);
  };

  const server = new grpc.Server({ "grpc.max_receive_message_length": 8 * 1024 * 1024 });
  const method = grpcMethod(RelayService.method.attach);
  const responseSerialize = (response: AttachResponse | Uint8Array) =>
    response instanceof Uint8Array ? Buffer.from(response) : method.responseSerialize(response);
  server.addService({ attach: { ...method, responseSerialize } }, { attach });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, credentials, (error, given) =>
      error ? reject(error) : resolve(given),
    );
  });
  return Object.defineProperty(fake, "port", { value: bound });
}
