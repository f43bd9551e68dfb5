// The rules of the MCP registry for a server.json of the schema 2025-12-11, as far as ours uses them: the schema itself, and
// what the registry asks beyond it. Strict, so that a field that is not in the schema is found.

import { z } from "zod";
import { SCHEMA } from "../server-json.ts";

/** One version. The registry refuses ranges and "latest". */
const version = z
  .string()
  .max(255)
  .regex(/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/);

const inputFields = {
  description: z.string().optional(),
  isRequired: z.boolean().optional(),
  isSecret: z.boolean().optional(),
  format: z.enum(["string", "number", "boolean", "filepath"]).optional(),
  default: z.string().optional(),
  placeholder: z.string().optional(),
  choices: z.array(z.string()).optional(),
  value: z.string().optional(),
};
const input = z.strictObject(inputFields);

/** A header or a variable. Each {name} in its value is one of its variables. */
const keyValueInput = z
  .strictObject({
    ...inputFields,
    name: z.string().min(1),
    variables: z.record(z.string(), input).optional(),
  })
  .refine(({ value = "", variables = {} }) => placeholders(value).every((name) => name in variables));

const remoteTransport = z
  .strictObject({
    type: z.enum(["streamable-http", "sse"]),
    url: z.string().regex(/^(https?:\/\/[^\s]+|\{[a-zA-Z_][a-zA-Z0-9_]*\}[^\s]*)$/),
    headers: z.array(keyValueInput).optional(),
    variables: z.record(z.string(), input).optional(),
  })
  .refine(({ url, variables = {} }) => placeholders(url).every((name) => name in variables));

export const registryRules = z.strictObject({
  $schema: z.literal(SCHEMA),
  name: z
    .string()
    .min(3)
    .max(200)
    .regex(/^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/),
  title: z.string().min(1).max(100).optional(),
  description: z.string().min(1).max(100),
  version,
  packages: z.array(
    z.strictObject({
      registryType: z.literal("npm"),
      identifier: z.string().regex(/^(?:@[a-z0-9-~][a-z0-9-._~]*\/)?[a-z0-9-~][a-z0-9-._~]*$/),
      version,
      runtimeHint: z.string().optional(),
      transport: z.strictObject({ type: z.literal("stdio") }),
      environmentVariables: z.array(keyValueInput).optional(),
    }),
  ),
  remotes: z.array(remoteTransport).optional(),
});

function placeholders(text: string): string[] {
  return [...text.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name!);
}
