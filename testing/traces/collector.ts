// What traces are sent to, in the stead of an OpenTelemetry collector: OTLP over HTTP, in JSON.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

export interface CollectedSpan {
  readonly name: string;
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: the first of its trace. */
  readonly parentSpanId: string;
  /** The spans that it names as having to do with it. */
  readonly links: readonly string[];
}

export interface Collector extends AsyncDisposable {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  /** All that was sent, as text. */
  readonly text: string;
  /** The first span for which `matches` holds, of those that came and those to come. Rejects after 30 s. */
  waitFor(what: string, matches: (span: CollectedSpan) => boolean): Promise<CollectedSpan>;
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string;
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly links?: readonly { readonly spanId: string }[];
      }[];
    }[];
  }[];
}

export async function startCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  let text = "";
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    text += body;
    for (const { resource, scopeSpans } of (JSON.parse(body) as Export).resourceSpans) {
      const service = resource.attributes.find(({ key }) => key === "service.name")?.value.stringValue ?? "";
      for (const { name, traceId, spanId, parentSpanId = "", links = [] } of scopeSpans.flatMap(
        (each) => each.spans,
      )) {
        spans.push({ name, service, traceId, spanId, parentSpanId, links: links.map((each) => each.spanId) });
      }
    }
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    get text() {
      return text;
    },
    async waitFor(what, matches) {
      for (const end = Date.now() + 30_000; Date.now() < end; await pause(20)) {
        const found = spans.find(matches);
        if (found) return found;
      }
      const seen = spans.map(({ service, name, traceId }) => `${service} ${name} ${traceId}`).join("\n");
      throw new Error(`no span came for ${what}; these did:\n${seen}`);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
