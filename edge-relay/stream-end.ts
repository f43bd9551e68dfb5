// What the end of a stream means for a relay, as RelayService says it.

import { Code, type ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { metadataOf, reasonOf } from "@hil/platform/errors/hil-error.ts";

/**
 * How a stream ended, and so what follows.
 *
 *   drained     - the server asked for it: attach at once, and reach another process.
 *   lost        - it was cut, or none came about: try again.
 *   superseded  - a newer stream has the name: wait for long, or two of the same name would take turns for ever.
 *   broken      - one side broke the rules: wait for long, it would happen again.
 *   elsewhere   - what answers takes no relays: wait for long; it may be upgraded, or mended.
 *   refused     - the credential works no more, or may not do this: stop.
 *   unsupported - this version is too old for the server: stop.
 */
export type StreamEnd =
  | { readonly kind: "drained" | "lost" | "superseded" | "broken" | "elsewhere"; readonly reason: string }
  | { readonly kind: "refused" | "unsupported"; readonly reason: string };

/**
 * Reads an end. `error` undefined: the server ended the stream as agreed. `instanceId`: this process's, which a stream of its
 * own that came there late may have put out.
 */
export function readStreamEnd(error: ConnectError | undefined, instanceId: string): StreamEnd {
  if (error === undefined) return { kind: "drained", reason: "the server ended the stream" };
  const { rawMessage } = error;
  switch (reasonOf(error)) {
    case ErrorReason.CREDENTIAL_INVALID:
      return {
        kind: "refused",
        reason: `the server does not take the credential: it is wrong, was revoked or is past its time (${rawMessage}); make another with: hil relay create NAME`,
      };
    case ErrorReason.ROLE_MISSING:
    case ErrorReason.SCOPE_MISSING:
    case ErrorReason.TENANT_SUSPENDED:
      return { kind: "refused", reason: `the server does not let this credential attach: ${rawMessage}` };
    case ErrorReason.RELAY_CERTIFICATE_MISMATCH:
      return {
        kind: "refused",
        reason: `the server does not take the certificate with this credential: ${rawMessage}`,
      };
    case ErrorReason.RELAY_VERSION_UNSUPPORTED:
      return {
        kind: "unsupported",
        reason: `this relay is too old for the server: ${rawMessage}; upgrade it`,
      };
    case ErrorReason.RELAY_SUPERSEDED:
      if (metadataOf(error).instance_id === instanceId) {
        return { kind: "lost", reason: "an earlier connection of this relay reached the server late" };
      }
      return {
        kind: "superseded",
        reason: `another relay attached with the same credential (${rawMessage}); if both are wanted, make a credential for each`,
      };
    case ErrorReason.INVALID_REQUEST:
      return { kind: "broken", reason: `the server says that a rule was broken: ${rawMessage}` };
    default:
      break;
  }
  switch (error.code) {
    case Code.Unimplemented:
      return {
        kind: "elsewhere",
        reason:
          "what answers at this address is a gRPC server that takes no relays: an older HIL, or another port",
      };
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return {
        kind: "elsewhere",
        reason: `something on the way refuses the call, and it is not HIL (${rawMessage})`,
      };
    default:
      return { kind: "lost", reason: rawMessage };
  }
}
