import { defineErrors } from "@xiezhi/protos/errors.ts";

const errors = defineErrors("PAGES", {
  token: () => ({
    code: "INVALID_ARGUMENT",
    reason: "TOKEN",
    zh: "翻页标记无效：page_token",
    en: "page_token is not one that this list gave",
    details: { field: "page_token" },
  }),
});

const DEFAULT_SIZE = 50;

export interface PageRequest {
  pageSize: number;
  pageToken: string;
}

/** Pages by key: a list that grows meanwhile neither repeats nor skips rows. `after` is the last key of the page before. */
export interface Page {
  size: number;
  after: string | undefined;
}

export function pageOf(request: PageRequest): Page {
  return { size: request.pageSize || DEFAULT_SIZE, after: request.pageToken === "" ? undefined : keyOf(request.pageToken) };
}

/** `rows` were read with a limit of `page.size + 1`: the one too many says that there is another page. */
export function paged<T>(page: Page, rows: readonly T[], key: (row: T) => string): { rows: T[]; nextPageToken: string } {
  const shown = rows.slice(0, page.size);
  const last = shown.at(-1);
  const more = rows.length > page.size && last !== undefined;
  return { rows: shown, nextPageToken: more ? Buffer.from(key(last)).toString("base64url") : "" };
}

function keyOf(token: string): string {
  const key = Buffer.from(token, "base64url").toString();
  if (!/^[\x21-\x7e]{1,150}$/.test(key)) throw errors.token();
  return key;
}
