// What went wrong, in words that tell the reader what to do.

import { Code, type ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { metadataOf, reasonName, reasonOf } from "@hil/platform/errors/hil-error.ts";
import { isKeyMissing } from "./session-client.ts";

/** The sentence for an error over stdio. `baseUrl` is where HIL should be. */
export function sentenceOf(error: ConnectError, baseUrl: string): string {
  if (isKeyMissing(error)) {
    return `No key for HIL at ${baseUrl} is set. Put HIL_API_KEY into the "env" of this MCP entry: the owner key that HIL printed at its first start. On the machine that runs HIL no key is needed once it has been started (npm start).`;
  }
  switch (error.code) {
    case Code.Unauthenticated:
      return `HIL at ${baseUrl} does not know this key, or it works no more. Set HIL_API_KEY in the "env" of this MCP entry to a key that an administrator made for you, or to the owner key that HIL printed at its first start.`;
    case Code.Unavailable:
    case Code.DeadlineExceeded:
      if (reasonOf(error) !== ErrorReason.UNSPECIFIED) break;
      return `HIL does not answer at ${baseUrl} (${error.rawMessage}). Is it running? Start it with "npm start" in its folder, or set --service-url to where it runs.`;
    case Code.Unimplemented:
      return `There is something at ${baseUrl}, but it is no HIL of this version. Set --service-url to where HIL runs.`;
  }
  if (reasonOf(error) === ErrorReason.TENANT_MISMATCH) {
    return "The key is of another tenant than --tenant-id (HIL_TENANT_ID) names. Use a key of that tenant, or leave the tenant out.";
  }
  return inWords(error);
}

/** The sentence for an error over HTTP, where the agent has reached HIL already. */
export function sentenceOverHttp(error: ConnectError): string {
  switch (error.code) {
    case Code.Unauthenticated:
      return "The key of this MCP entry works no more. Put one into its Authorization header that an administrator made for you.";
    case Code.Unavailable:
    case Code.DeadlineExceeded:
      if (reasonOf(error) !== ErrorReason.UNSPECIFIED) break;
      return "HIL cannot reach its own services now. Tell the person who runs HIL if it lasts.";
  }
  if (reasonOf(error) === ErrorReason.TENANT_MISMATCH) {
    return "The key is of another tenant than the hil-tenant header of this MCP entry names. Use a key of that tenant, or leave the header out.";
  }
  return inWords(error);
}

/** What reads the same whichever way the agent came. */
function inWords(error: ConnectError): string {
  const reason = reasonOf(error);
  switch (reason) {
    case ErrorReason.REQUEST_ID_REUSED:
      return `This request_id was used before for other content${inSession(error)}. Use a new one, or leave it out.`;
    case ErrorReason.SESSION_NOT_FOUND:
      return "There is no such session, or it is not yours. list_pending shows yours.";
    case ErrorReason.TENANT_SUSPENDED:
      return "The tenant of this key is suspended, so nobody can be asked. Tell the person who runs HIL.";
    case ErrorReason.CHAT_NOT_ALLOWED:
      return "The tenant of this key does not send to this chat. Use another chat_id; an administrator says which.";
    case ErrorReason.ROLE_MISSING:
    case ErrorReason.SCOPE_MISSING:
      return `This key may not do that: ${error.rawMessage}. An administrator can make one that may, with the role agent.`;
    case ErrorReason.RATE_LIMITED:
    case ErrorReason.QUOTA_EXCEEDED:
    case ErrorReason.OVERLOADED:
      return `HIL takes no more now: ${error.rawMessage} (${reasonName(reason)}).${again(error)}`;
    case ErrorReason.UNSPECIFIED:
      return `HIL could not do it: ${error.rawMessage}.`;
    default:
      return `HIL could not do it: ${error.rawMessage} (${reasonName(reason)}).`;
  }
}

function inSession(error: ConnectError): string {
  const { session_id: sessionId } = metadataOf(error);
  return sessionId ? `, by session ${sessionId}` : "";
}

function again(error: ConnectError): string {
  const ms = Number(metadataOf(error).retry_after_ms);
  return ms > 0 ? ` Try again in ${Math.ceil(ms / 1000)} s.` : "";
}
