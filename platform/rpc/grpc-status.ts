// Errors of the contracts on their way through grpc-js, with their reasons.

import { Code, ConnectError } from "@connectrpc/connect";
import { findTrailerError, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import * as grpc from "@grpc/grpc-js";

const DETAILS = "grpc-status-details-bin";

/** An error as a handler of grpc-js answers with it. */
export function serviceErrorOf(error: ConnectError): grpc.ServiceError {
  const metadata = new grpc.Metadata();
  const details = setTrailerStatus(new Headers(), error).get(DETAILS);
  if (details !== null) metadata.set(DETAILS, Buffer.from(details, "base64"));
  for (const [name, value] of error.metadata) metadata.set(name, value);
  const message = error.rawMessage.toWellFormed();
  return Object.assign(new Error(message), { code: error.code as number, details: message, metadata });
}

/** The error that a call of grpc-js ended with, with its details where it has some. Undefined: it ended well. */
export function errorOfStatus({ code, details, metadata }: grpc.StatusObject): ConnectError | undefined {
  if (code === grpc.status.OK) return undefined;
  const bare = new ConnectError(details, (code as number) in Code ? (code as number) : Code.Unknown);
  const [encoded] = metadata.get(DETAILS);
  if (!(encoded instanceof Buffer)) return bare;
  const trailer = new Headers({
    "grpc-status": String(code),
    "grpc-message": encodeURIComponent(details.toWellFormed()),
    [DETAILS]: encoded.toString("base64"),
  });
  try {
    return findTrailerError(trailer) ?? bare;
  } catch {
    return bare; // details that nobody can read
  }
}
