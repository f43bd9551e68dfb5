import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { HttpRequest, HttpResponse } from "@hil/platform/http/listener.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";
import { UPLOAD_HEADERS } from "./security-headers.ts";

const PATH = /^\/api\/console\/attachments\/([0-9a-f-]{36})\/([1-9]\d{0,2})$/;
const INLINE = new Map([
  ["image/png", "png"],
  ["image/jpeg", "jpg"],
]);

/** True for the address of a picture: /api/console/attachments/{session_id}/{number}. */
export function isAttachmentPath(path: string): boolean {
  return PATH.test(path);
}

/**
 * Sends one picture of a question to a browser that is signed in. Its bytes never change, so the browser may
 * keep them. Only PNG and JPEG are shown; anything else is for download.
 */
export function createAttachmentHandler({
  sessions,
  authenticate,
}: {
  sessions: Client<typeof SessionService>;
  authenticate: Authenticate;
}) {
  return async (request: HttpRequest, response: HttpResponse, path: string): Promise<void> => {
    const [, sessionId, number] = PATH.exec(path) ?? [];
    const caller = callerHeaders(request);
    try {
      // Checked here too: the transport may speak for the gateway itself when a call brings no key.
      await authenticate(caller);
      const { attachment, data } = await sessions.getAttachment(
        { sessionId, number: Number(number) },
        { headers: caller },
      );
      const mediaType = attachment?.mediaType ?? "";
      const extension = INLINE.get(mediaType);
      response.writeHead(200, {
        ...UPLOAD_HEADERS,
        "content-type": extension ? mediaType : "application/octet-stream",
        "content-disposition": extension
          ? `inline; filename="${number}.${extension}"`
          : `attachment; filename="${number}"`,
        "content-length": String(data.length),
        "cache-control": "private, max-age=3600, immutable",
      });
      response.end(request.method === "HEAD" ? undefined : data);
    } catch (error) {
      const status = statusOf(ConnectError.from(error).code);
      if (status === 500) throw error;
      response.writeHead(status, {
        ...UPLOAD_HEADERS,
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-store",
      });
      response.end(status === 401 ? "Sign in to the console first.\n" : "There is no such picture.\n");
    }
  };
}

function callerHeaders(request: HttpRequest): Headers {
  const headers = new Headers();
  for (const name of ["cookie", "authorization"] as const) {
    const value = request.headers[name];
    if (value !== undefined) headers.set(name, value);
  }
  return headers;
}

function statusOf(code: Code): number {
  switch (code) {
    case Code.Unauthenticated:
      return 401;
    case Code.PermissionDenied:
    case Code.NotFound:
    case Code.InvalidArgument:
      return 404;
    case Code.Unavailable:
    case Code.ResourceExhausted:
      return 503;
    default:
      return 500;
  }
}
