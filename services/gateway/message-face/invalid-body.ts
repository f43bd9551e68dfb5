import type { z } from "zod";
import type { Answer } from "../route-table.ts";

/** One thing that is wrong with a body, as the clients of this face know it. */
interface Detail {
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly type: string;
}

const TYPES: Record<string, string> = {
  string: "string_type",
  int: "int_type",
  number: "int_type",
  boolean: "bool_type",
  array: "list_type",
  object: "dict_type",
};

/** 422 for a body that does not fit its schema. */
export function invalidBody(body: unknown, error: z.ZodError): Answer {
  return unprocessable(error.issues.map((issue) => toDetail(body, issue)));
}

/** 422 for a body that cannot be read at all. */
export function unreadableBody(msg: string, type = "json_invalid"): Answer {
  return unprocessable([{ loc: ["body"], msg, type }]);
}

export function missingField(field: string): Answer {
  return unprocessable([{ loc: ["body", field], msg: "Field required", type: "missing" }]);
}

function unprocessable(detail: readonly Detail[]): Answer {
  return { status: 422, body: { detail } };
}

function toDetail(body: unknown, issue: z.core.$ZodIssue): Detail {
  const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
  const loc = ["body", ...path];
  if (valueAt(body, path) === undefined) return { loc, msg: "Field required", type: "missing" };
  const type = issue.code === "invalid_type" ? TYPES[issue.expected] : undefined;
  if (issue.code === "invalid_union")
    return { loc, msg: "Input should be a valid integer", type: "int_type" };
  return { loc, msg: issue.message, type: type ?? "value_error" };
}

function valueAt(body: unknown, path: readonly (string | number)[]): unknown {
  let value = body;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
