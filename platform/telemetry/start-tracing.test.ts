import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { TRACING_PACKAGES } from "./start-tracing.ts";
import { readTracingConfig } from "./tracing-config.ts";

test.each([
  ["nothing says so", {}],
  ["it is off, whatever else", { HIL_TRACING: "off", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" }],
  ["the SDK is disabled", { OTEL_SDK_DISABLED: "TRUE", HIL_TRACING: "on" }],
])("nothing is traced where %s", (_, environment) => {
  expect(readTracingConfig(environment)).toBeUndefined();
});

test.each([
  ["all, or what the caller decided", {}, { followsCaller: true, share: 1 }],
  ["none", { OTEL_TRACES_SAMPLER: "always_off" }, { followsCaller: false, share: 0 }],
  [
    "a share of what callers leave open",
    { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.1" },
    { followsCaller: true, share: 0.1 },
  ],
])("OTEL_TRACES_SAMPLER: %s", (_, environment, expected) => {
  const asked = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318", ...environment };
  expect(readTracingConfig(asked)).toMatchObject(expected);
});

test("wrong settings are named", () => {
  expect(() => readTracingConfig({ HIL_TRACING: "yes", OTEL_TRACES_SAMPLER_ARG: "2" })).toThrow(
    /HIL_TRACING: must be on or off\n {2}OTEL_TRACES_SAMPLER_ARG: must be a share from 0 to 1/,
  );
});

test("the packages that the sentence names are the ones that the tests run with", () => {
  for (const named of TRACING_PACKAGES.split(" ")) {
    const at = named.lastIndexOf("@");
    expect(manifest.devDependencies).toHaveProperty([named.slice(0, at)], named.slice(at + 1));
  }
});

/** The files that a process of the embedded form's services opened of OpenTelemetry's packages. */
function loaded(environment: Record<string, string>): string {
  const start = JSON.stringify(join(import.meta.dirname, "start-tracing.ts"));
  const service = JSON.stringify(join(import.meta.dirname, "../rpc/service.ts"));
  const source = `
    import { registerHooks } from "node:module";
    const seen = new Set();
    registerHooks({ load(url, context, next) { seen.add(url); return next(url, context); } });
    const { startTracing } = await import(${start});
    await import(${service});
    const tracing = await startTracing({ environment: process.env, service: "hil", version: "0" });
    process.stdout.write([...seen].filter((url) => url.includes("opentelemetry/")).join("\\n") + "\\n");
    await tracing?.close();
    process.exit(0);`;
  const ended = spawnSync(process.execPath, ["--input-type=module", "--eval", source], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, ...environment },
  });
  expect(ended.stderr).toBe("");
  return ended.stdout;
}

test("without configuration no exporter and no SDK is loaded", () => {
  expect(loaded({})).not.toMatch(/opentelemetry\/(sdk|exporter|resources|otlp|core)/);
  expect(loaded({ HIL_TRACING: "on" })).toMatch(/opentelemetry\/sdk-trace/);
});

test("the production install has none of it", () => {
  const lock = JSON.parse(readFileSync(join(import.meta.dirname, "../../package-lock.json"), "utf8"));
  const packages = Object.entries(lock.packages as Record<string, { dev?: boolean }>);
  const production = packages.filter(([path, { dev }]) => /@opentelemetry\//.test(path) && !dev);
  expect(production.map(([path]) => path)).toEqual(["node_modules/@opentelemetry/api"]);
});
