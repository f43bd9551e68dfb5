import * as http2 from "node:http2";

/** The cheapest client there is, so that a measurement shows the server: one connection, raw streams. */
export class RawClient {
  readonly #session: http2.ClientHttp2Session;
  readonly #headers: http2.OutgoingHttpHeaders;

  constructor(url: string, headers: http2.OutgoingHttpHeaders = {}) {
    this.#session = http2.connect(url, { peerMaxConcurrentStreams: 20_000, settings: { enablePush: false } });
    this.#session.on("error", () => {}); // each call sees its own error
    this.#headers = headers;
  }

  /** One POST. Rejects on any status but 200, with the body's text. */
  post(path: string, body: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({ ":method": "POST", ":path": path, ...this.#headers });
      const chunks: Buffer[] = [];
      let status = 0;
      stream.on("response", (headers) => {
        status = Number(headers[":status"]);
      });
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", reject);
      stream.on("end", () => {
        const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
        if (status === 200) resolve(bytes);
        else reject(new Error(`${path} answered ${status}: ${bytes.toString("utf8").slice(0, 300)}`));
      });
      stream.end(body);
    });
  }

  close(): void {
    this.#session.destroy();
  }
}
