import { Code, ConnectError } from "@connectrpc/connect";

/** The code of what was thrown, as Connect writes it: "not_found". What is no error of a call is "internal". */
export function codeName(error: unknown): string {
  const code = error instanceof ConnectError ? error.code : Code.Internal;
  return Code[code].replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}
