// How a command ends, for scripts. Those from 64 follow sysexits.h.

import { Code, ConnectError } from "@connectrpc/connect";
import { Session_Outcome } from "@hil/gen/hil/session/v1/session_pb.ts";

export const EXIT = {
  /** Done; for `ask` and `wait`: a person answered. */
  ok: 0,
  /** A person answered with an option that refuses. For `doctor` and `verify`: something is wrong. */
  rejected: 1,
  /** Nobody answered in time. A default answer is printed all the same. */
  expired: 3,
  /** The question was taken back. */
  cancelled: 4,
  /** Nobody could be shown the question. */
  undeliverable: 5,
  /** The command line is wrong. */
  usage: 64,
  /** The server refused what was asked of it: an answer that does not fit, a session that has ended. */
  refused: 65,
  /** No such session, tenant, member, key, channel or file. */
  notFound: 66,
  /** The server cannot be reached or is not ready. */
  unavailable: 69,
  /** Our own fault. */
  internal: 70,
  /** No credential, or one that may not do this. */
  noCredential: 77,
  /** A set-up that cannot work. */
  configuration: 78,
} as const;

/** A command that cannot go on, in words for the person. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exitCode: number;
  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** How a session that has ended ends the command that waited for it. */
export function exitCodeOf(outcome: Session_Outcome): number {
  switch (outcome) {
    case Session_Outcome.ANSWERED:
      return EXIT.ok;
    case Session_Outcome.REJECTED:
      return EXIT.rejected;
    case Session_Outcome.EXPIRED:
      return EXIT.expired;
    case Session_Outcome.CANCELLED:
      return EXIT.cancelled;
    case Session_Outcome.UNDELIVERABLE:
      return EXIT.undeliverable;
    default:
      return EXIT.internal; // an outcome that this version does not know
  }
}

/** How an error ends a command. */
export function exitCodeOfError(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  if (isConfigurationError(error)) return EXIT.configuration;
  if (!(error instanceof ConnectError)) return EXIT.internal;
  switch (error.code) {
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return EXIT.noCredential;
    case Code.Unavailable:
    case Code.DeadlineExceeded:
    case Code.ResourceExhausted:
    case Code.Aborted:
      return EXIT.unavailable;
    case Code.NotFound:
      return EXIT.notFound;
    case Code.InvalidArgument:
    case Code.FailedPrecondition:
    case Code.AlreadyExists:
    case Code.OutOfRange:
      return EXIT.refused;
    default:
      return EXIT.internal;
  }
}

/** A set-up that cannot work. Told by its name, so that no command loads what reads settings without need. */
export function isConfigurationError(error: unknown): error is Error {
  return error instanceof Error && error.name === "ConfigurationError";
}
