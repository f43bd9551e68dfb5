import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/** One file of the built console, in the forms that browsers take. */
export interface ConsoleFile {
  readonly mediaType: string;
  /** Strong; of the uncompressed bytes. */
  readonly etag: string;
  /** The name carries a hash of the content, so that it may be kept for ever. */
  readonly immutable: boolean;
  readonly bodies: { readonly identity: Buffer; readonly gzip?: Buffer; readonly br?: Buffer };
}

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
};
const TEXT = new Set([".html", ".js", ".css", ".svg", ".webmanifest"]);

/**
 * Reads the built console into memory, by URL path ("/index.html"); it is a few hundred kilobytes. Undefined
 * when it has not been built. Files of kinds that the console does not have are left out.
 */
export function readConsoleFiles(distDir: string): ReadonlyMap<string, ConsoleFile> | undefined {
  let names: string[];
  try {
    names = readdirSync(distDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(distDir, join(entry.parentPath, entry.name)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const files = new Map<string, ConsoleFile>();
  for (const name of names) {
    const mediaType = MEDIA_TYPES[extname(name)];
    if (mediaType) files.set(`/${name.split(sep).join("/")}`, consoleFile(join(distDir, name), mediaType));
  }
  return files.has("/index.html") ? files : undefined;
}

function consoleFile(path: string, mediaType: string): ConsoleFile {
  const identity = readFileSync(path);
  return {
    mediaType,
    etag: `"${createHash("sha256").update(identity).digest("base64url").slice(0, 27)}"`,
    immutable: path.includes(`${sep}assets${sep}`),
    bodies: TEXT.has(extname(path))
      ? {
          identity,
          gzip: gzipSync(identity, { level: 9 }),
          br: brotliCompressSync(identity, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
        }
      : { identity },
  };
}

/** The best form of a file for an Accept-Encoding header: brotli, then gzip, then as it is. */
export function chooseBody(
  file: ConsoleFile,
  acceptEncoding: string | undefined,
): { body: Buffer; encoding: "br" | "gzip" | undefined } {
  const accepted = new Set(
    (acceptEncoding ?? "")
      .split(",")
      .map((part) => part.trim().toLowerCase())
      .filter((part) => !/;\s*q=0(\.0*)?$/.test(part))
      .map((part) => part.split(";", 1)[0]),
  );
  for (const encoding of ["br", "gzip"] as const) {
    const body = file.bodies[encoding];
    if (body && accepted.has(encoding)) return { body, encoding };
  }
  return { body: file.bodies.identity, encoding: undefined };
}
