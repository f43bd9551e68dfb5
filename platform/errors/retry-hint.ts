import { Code, type ConnectError } from "@connectrpc/connect";

/** True where the same call may well succeed later, unchanged: the server is starting, draining or overloaded. */
export function isTransient(error: ConnectError): boolean {
  switch (error.code) {
    case Code.Unavailable:
    case Code.ResourceExhausted:
    case Code.DeadlineExceeded:
    case Code.Aborted:
      return true;
    default:
      return false;
  }
}
