import { open } from "node:fs/promises";
import { extname } from "node:path";
import { inside } from "@xiezhi/base/files.ts";
import type { Middleware } from "koa";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".wasm": "application/wasm",
  ".txt": "text/plain; charset=utf-8",
};

/** The built portal. Files whose names hold a hash stay in the browser; every other path of a page is index.html. */
export function staticFiles(folder: string): Middleware {
  return async (context, next) => {
    if (context.method !== "GET" && context.method !== "HEAD") return next();
    const names = context.path.split("/").filter((name) => name !== "");
    const isPage = !names.at(-1)?.includes(".");
    const type = TYPES[extname(isPage ? "index.html" : context.path)];
    if (type === undefined) return next();
    const path = isPage ? ["index.html"] : names;
    const bytes = await readInside(folder, path);
    if (!bytes) return next();
    const hashed = path[0] === "assets";
    context.set("cache-control", hashed ? "public, max-age=31536000, immutable" : "no-cache");
    context.set("content-type", type);
    context.body = bytes;
  };
}

async function readInside(folder: string, names: readonly string[]): Promise<Buffer | undefined> {
  try {
    const handle = await open(inside(folder, ...names), "r");
    try {
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch {
    return undefined; // not a plain name, a folder, or not there: all the same to who asks
  }
}
