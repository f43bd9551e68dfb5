// manifest.json: what Claude Desktop is told of the adapter when a person opens its MCPB bundle.

import { identity } from "./identity.ts";
import { USER_SETTINGS } from "./user-settings.ts";

const ENTRY = "dist/hil-mcp.mjs";

/** `tools` are those that the server lists, so that people see before they install what it can do. */
export function mcpbManifest(tools: readonly { name: string; description: string }[]) {
  const { name, version, title, description, license, keywords, node, author } = identity;
  return {
    manifest_version: "0.3",
    name,
    display_name: title,
    version,
    description,
    long_description:
      "Your agent reaches a point where a person has to decide. HIL carries the question to the person, in the web console, in a WeCom chat or at the command line, and the answer back. A question outlives every limit of the client: it is kept on disk and ends exactly once.",
    author: { name: author },
    license,
    keywords,
    server: {
      type: "node",
      entry_point: ENTRY,
      mcp_config: {
        command: "node",
        args: [`\${__dirname}/${ENTRY}`],
        env: Object.fromEntries(
          USER_SETTINGS.map(({ variable, field }) => [variable, `\${user_config.${field}}`]),
        ),
      },
    },
    tools,
    compatibility: { platforms: ["darwin", "win32", "linux"], runtimes: { node } },
    // Each has a default, because a program leaves the placeholder of an empty field without one as it stands.
    user_config: Object.fromEntries(
      USER_SETTINGS.map((setting) => [
        setting.field,
        {
          type: "string",
          title: setting.title,
          description: setting.description,
          required: false,
          default: setting.default,
          ...(setting.isSecret ? { sensitive: true } : {}),
        },
      ]),
    ),
  };
}
