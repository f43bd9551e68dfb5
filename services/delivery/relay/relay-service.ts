// RelayService: lets a relay in, from its credential to its Welcome.
//
// S1. Who calls is known before anything it says is read. A wrong credential counts against its address, as at every other door.
// S2. A stream gets its epoch in the database before it hears Welcome, and is looked at again as every long call is: within 5 s
//     of a revocation it ends (S6).
// S3. A relay runs the channels that name it, and no others. When that changes the stream ends, so that it attaches under
//     what holds now.

import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type * as grpc from "@grpc/grpc-js";
import { type Hello, HelloSchema, type RelayChannel } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { type AttachRequest, RelayService } from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { credentialInvalid } from "@hil/platform/auth/authenticator.ts";
import { bearerOf } from "@hil/platform/auth/credential-headers.ts";
import type { Principal } from "@hil/platform/auth/principal.ts";
import { Recheck } from "@hil/platform/auth/recheck.ts";
import { hilError, publicError } from "@hil/platform/errors/hil-error.ts";
import { createFailedCredentials } from "@hil/platform/limits/failed-credentials.ts";
import { serviceErrorOf } from "@hil/platform/rpc/grpc-status.ts";
import { type Authenticate, type CallHeaders, checkMessage, policyCheck } from "@hil/platform/rpc/service.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { AttachedRelays } from "./attached-relays.ts";
import type { RelayIntake } from "./relay-intake.ts";
import type { OfferedChannel, RelayStore } from "./relay-store.ts";
import { type AttachCall, HEARTBEAT_MS, RelayStream, WINDOW } from "./relay-stream.ts";

/** The oldest and the newest rules of the stream that are kept here. */
const OLDEST_PROTOCOL = 1;
const NEWEST_PROTOCOL = 1;
const HELLO_PATIENCE_MS = 10_000;
const RIGHTS_INTERVAL_MS = 5_000;
/** Of the relay's clock, with the time that its Hello takes. */
const CLOCK_TOLERANCE_MS = 10_000;

/** What a relay may run of what it offers. */
export interface Rights {
  readonly allowed: readonly OfferedChannel[];
  readonly refused: readonly { readonly channelId: string; readonly reason: string }[];
}

export interface RelayServiceOptions {
  readonly authenticate: Authenticate;
  readonly store: Pick<RelayStore, "attachRelay">;
  readonly relays: AttachedRelays;
  readonly intake: RelayIntake;
  /** What a relay may run of these. */
  readonly rightsOf: (
    relay: { readonly tenantId: string; readonly name: string },
    offered: readonly RelayChannel[],
  ) => Promise<Rights>;
  /** Called when a relay that runs these channels has its Welcome. */
  readonly onAttached: (tenantId: string, channelIds: readonly string[]) => void;
  readonly softwareVersion: string;
  readonly log: Log;
  readonly now: () => Date;
}

/** What answers Attach. */
export type AttachHandler = (call: AttachCall) => void;

export function createAttachHandler(options: RelayServiceOptions): AttachHandler {
  const { authenticate, log, now } = options;
  const failed = createFailedCredentials({ now });
  const recheck = new Recheck(authenticate);
  const mayAttach = policyCheck(RelayService.method.attach);
  const check = (principal: Principal, call: AttachCall): string => {
    mayAttach(principal);
    const { relayName } = principal;
    if (!relayName) throw credentialInvalid("this credential names no relay");
    requireOwnCertificate(call, relayName);
    return relayName;
  };

  const admit = async (
    call: AttachCall,
  ): Promise<{ principal: Principal; name: string; headers: CallHeaders }> => {
    const headers = headersOf(call.metadata);
    const address = addressOf(call);
    const credential = bearerOf(headers);
    if (credential === undefined) throw credentialInvalid();
    failed.check(address, credential);
    try {
      const principal = await authenticate(headers);
      failed.succeeded(credential);
      return { principal, name: check(principal, call), headers };
    } catch (error) {
      if (ConnectError.from(error).code === Code.Unauthenticated) failed.failed(address, credential);
      throw error;
    }
  };

  const attach = async (call: AttachCall): Promise<void> => {
    const { principal, name, headers } = await admit(call);
    const relay = { tenantId: principal.tenantId, name };
    const hello = await firstHello(call);
    const clockAheadMs = hello.time ? now().getTime() - timestampMs(hello.time) : 0;
    const { allowed, refused } = await options.rightsOf(relay, hello.channels);
    const fence = await options.store.attachRelay(
      {
        ...relay,
        instanceId: hello.instanceId,
        softwareVersion: hello.softwareVersion,
        address: call.getPeer(),
        channels: allowed,
      },
      now().getTime(),
    );
    if (call.cancelled) return; // the next stream has a greater epoch
    const stream: RelayStream = new RelayStream({
      call,
      fence,
      instanceId: hello.instanceId,
      channelIds: new Set(allowed.map(({ channelId }) => channelId)),
      takeInbounds: (inbounds) =>
        options.intake({ fence, clockAheadMs, isOpen: () => stream.isOpen }, inbounds),
    });
    stream.say({
      case: "welcome",
      value: {
        protocolVersion: Math.min(hello.protocolVersion, NEWEST_PROTOCOL),
        epoch: BigInt(fence.epoch),
        relayName: name,
        heartbeatInterval: durationFromMs(HEARTBEAT_MS),
        window: WINDOW,
        softwareVersion: options.softwareVersion,
        time: timestampFromMs(now().getTime()),
        refusedChannels: [...refused],
      },
    });
    const unfollow = recheck.follow(headers, {
      principal,
      check: (each) => void check(each, call),
      end(error) {
        const shown = publicError(error);
        stream.end(shown.rawMessage, shown);
      },
    });
    const rights = setInterval(() => void lookAtRights(), RIGHTS_INTERVAL_MS).unref();
    const lookAtRights = async () => {
      const present = await options.rightsOf(relay, hello.channels).catch(() => undefined);
      if (!present || idsOf(present.allowed) === idsOf(allowed)) return;
      const words = "the channels that this relay may run have changed; attach again";
      stream.end(words, hilError(Code.Unavailable, ErrorReason.NOT_READY, words, { retry_after_ms: "100" }));
    };
    void stream.ended.then(() => {
      unfollow();
      clearInterval(rights);
    });
    options.relays.add(stream);
    log.info(
      { ...relayFields(relay), epoch: fence.epoch, address: call.getPeer(), version: hello.softwareVersion },
      "a relay attached",
    );
    if (Math.abs(clockAheadMs) > CLOCK_TOLERANCE_MS) {
      log.warn(
        { ...relayFields(relay), clock_off_ms: -clockAheadMs },
        "a relay's clock is wrong; its times are corrected",
      );
    }
    for (const { channelId, reason } of refused) {
      log.warn({ ...relayFields(relay), channel_id: channelId, reason }, "a relay may not run a channel");
    }
    call.resume();
    options.onAttached(
      relay.tenantId,
      allowed.map(({ channelId }) => channelId),
    );
  };

  return (call) => {
    call.pause();
    call.on("error", () => {}); // a connection that is lost is also cancelled
    attach(call).catch((error: unknown) => {
      const shown = publicError(error);
      if (shown !== error) log.error({ err: error }, "a relay could not attach");
      else log.info({ address: call.getPeer(), reason: shown.rawMessage }, "a relay was refused");
      if (!call.cancelled) call.emit("error", serviceErrorOf(shown));
    });
  };
}

/** Resolves with the first message, and leaves the stream paused behind it. */
async function firstHello(call: AttachCall): Promise<Hello> {
  const { promise, resolve, reject } = Promise.withResolvers<AttachRequest>();
  const take = (request: AttachRequest) => {
    call.pause();
    resolve(request);
  };
  const gone = () => reject(new ConnectError("the relay went away before its Hello", Code.Canceled));
  const late = setTimeout(
    () =>
      reject(
        hilError(
          Code.DeadlineExceeded,
          ErrorReason.RELAY_SILENT,
          `no Hello came within ${HELLO_PATIENCE_MS / 1000} s`,
          { silent_ms: String(HELLO_PATIENCE_MS) },
        ),
      ),
    HELLO_PATIENCE_MS,
  );
  call.once("data", take);
  call.once("end", gone);
  call.once("cancelled", gone);
  call.resume();
  try {
    const { message } = await promise;
    if (message.case !== "hello") throw broken("the first message is not Hello");
    checkMessage(HelloSchema, message.value);
    const { protocolVersion } = message.value;
    if (protocolVersion < OLDEST_PROTOCOL) throw versionUnsupported(protocolVersion);
    return message.value;
  } finally {
    clearTimeout(late);
    call.off("data", take);
    call.off("end", gone);
    call.off("cancelled", gone);
  }
}

/** Where relays show certificates, each has one of its own name: a credential alone that leaked opens nothing. */
function requireOwnCertificate(call: AttachCall, relayName: string): void {
  const { sslPeerCertificate: certificate } = call.getAuthContext();
  if (!certificate?.subject) return; // the listener asks for none
  const names = (certificate.subjectaltname ?? "")
    .split(", ")
    .filter((each) => each.startsWith("DNS:"))
    .map((each) => each.slice("DNS:".length));
  if (names.includes(relayName) || [certificate.subject.CN].flat().includes(relayName)) return;
  throw hilError(
    Code.PermissionDenied,
    ErrorReason.RELAY_CERTIFICATE_MISMATCH,
    `the credential is of the relay ${JSON.stringify(relayName)}, and the certificate is of another; use one with this name as a DNS name or as its common name`,
    { relay_name: relayName },
  );
}

function headersOf(metadata: grpc.Metadata): CallHeaders {
  return {
    get(name) {
      const [value] = metadata.get(name);
      return typeof value === "string" ? value : null;
    },
  };
}

/** Without the port. */
function addressOf(call: AttachCall): string {
  return call.getPeer().replace(/:\d+$/, "");
}

const idsOf = (channels: readonly OfferedChannel[]) =>
  JSON.stringify(channels.map(({ channelId }) => channelId).sort());

const relayFields = ({ tenantId, name }: { tenantId: string; name: string }) => ({
  tenant_id: tenantId,
  relay: name,
});

function broken(problem: string): ConnectError {
  return hilError(
    Code.InvalidArgument,
    ErrorReason.INVALID_REQUEST,
    `${problem}; relay_service.proto has the rules of the stream`,
  );
}

function versionUnsupported(protocolVersion: number): ConnectError {
  return hilError(
    Code.FailedPrecondition,
    ErrorReason.RELAY_VERSION_UNSUPPORTED,
    `this relay keeps to version ${protocolVersion} of the stream's rules, and the oldest that is served is ${OLDEST_PROTOCOL}: upgrade the relay`,
    { protocol_version: String(protocolVersion), oldest: String(OLDEST_PROTOCOL) },
  );
}
