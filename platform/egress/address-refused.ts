import { Code, type ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "../errors/hil-error.ts";

/** A call sets an address that is not called. The sentence tells neither why nor whether there is such a host. */
export function addressRefused(field: string): ConnectError {
  return hilError(
    Code.InvalidArgument,
    ErrorReason.ADDRESS_REFUSED,
    `${field}: this deployment does not call that address; give a public https address, or ask its operator to open this one (HIL_EGRESS_ALLOW)`,
    { field },
  );
}
