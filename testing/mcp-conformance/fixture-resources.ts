// The resources that the conformance suite reads.

import { ResourceNotFoundError } from "@modelcontextprotocol/server";
import { PICTURE } from "./fixture-content.ts";

export const RESOURCES = [
  { uri: "test://static-text", name: "text", description: "A text", mimeType: "text/plain" },
  { uri: "test://static-binary", name: "picture", description: "A picture", mimeType: "image/png" },
  { uri: "test://watched-resource", name: "watched", description: "Watched", mimeType: "text/plain" },
];

export const TEMPLATES = [
  {
    uriTemplate: "test://template/{id}/data",
    name: "template",
    description: "Data by id",
    mimeType: "application/json",
  },
];

/** Throws where there is no such resource. */
export function readResource(uri: string) {
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id !== undefined) {
    const data = { id, templateTest: true, data: `Data for ID: ${id}` };
    return { uri, mimeType: "application/json", text: JSON.stringify(data) };
  }
  switch (uri) {
    case "test://static-text":
      return { uri, mimeType: "text/plain", text: "This is the content of the static text resource." };
    case "test://static-binary":
      return { uri, mimeType: "image/png", blob: PICTURE };
    case "test://watched-resource":
      return { uri, mimeType: "text/plain", text: "Nothing has changed." };
  }
  throw new ResourceNotFoundError(uri);
}
