// What every package of the adapter calls itself by. It all comes from package.json, so that one edit there renames the
// server, or raises its version, everywhere.

import manifest from "../package.json" with { type: "json" };

export const identity = {
  /** On npm, and the command that it installs. */
  name: manifest.name,
  /** In the MCP registry: the account that publishes, and the name. */
  mcpName: manifest.mcpName,
  version: manifest.version,
  description: manifest.description,
  license: manifest.license,
  keywords: manifest.keywords,
  /** The Node versions that it runs on: ">=20.18.1". */
  node: manifest.engines.node,
  files: manifest.files,
  bin: manifest.bin,
  /** To show to people. */
  title: "HIL",
  author: "The HIL authors",
} as const;
