// server.json: how the MCP registry describes the adapter to programs that install it.

import { identity } from "./identity.ts";
import { USER_SETTINGS } from "./user-settings.ts";

export const SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json";

export function serverJson() {
  const { name, mcpName, version, title, description } = identity;
  return {
    $schema: SCHEMA,
    name: mcpName,
    title,
    description,
    version,
    packages: [
      {
        registryType: "npm",
        identifier: name,
        version,
        runtimeHint: "npx",
        transport: { type: "stdio" },
        environmentVariables: USER_SETTINGS.map((setting) => ({
          name: setting.variable,
          description: setting.description,
          format: "string",
          isRequired: false,
          isSecret: setting.isSecret ?? false,
          ...(setting.default === "" ? {} : { default: setting.default }),
        })),
      },
    ],
    remotes: [
      {
        type: "streamable-http",
        url: "https://{host}/mcp",
        variables: {
          host: {
            description: "The host name of your HIL, with its port where it is not 443.",
            isRequired: true,
            placeholder: "hil.example.com",
          },
        },
        headers: [
          {
            name: "Authorization",
            description: "Bearer and an API key of your HIL.",
            value: "Bearer {key}",
            isRequired: true,
            isSecret: true,
            variables: {
              key: {
                description: "An API key that an administrator made with hil key create.",
                isRequired: true,
                isSecret: true,
              },
            },
          },
        ],
      },
    ],
  };
}
