import manifest from "./package.json" with { type: "json" };

/** The version of this relay. */
export function version(): string {
  return manifest.version;
}
