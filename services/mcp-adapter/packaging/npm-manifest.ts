import { identity } from "./identity.ts";

/** The package.json of the published package. It has no dependencies: everything is bundled. */
export function npmManifest() {
  const { name, version, description, mcpName, license, keywords, node, files, bin } = identity;
  return {
    name,
    version,
    description,
    mcpName,
    keywords,
    license,
    author: identity.author,
    type: "module",
    engines: { node },
    bin,
    files,
  };
}
