import { fileURLToPath } from "node:url";
import { type ConfigOf, config, field } from "@xiezhi/base/config.ts";

/** What `ingest.main.ts` is told in the JSON file that its argument names. */
export const IngestConfig = config({
  host: field.text("Address that agents reach"),
  port: field.int("The one agent port; 0 chooses one", { max: 65_535 }),
  portFile: field.optional(field.text("Where the port is written once agents are served")),
  tlsFolder: field.folder("key.pem, cert.pem and ca.pem of the program hub"),
  stateFolder: field.folder("Takes that are being gathered, and the rooms' keys"),
  storeUrl: field.url("First durable copy, file:/…"),
  backupUrl: field.url("Second durable copy, file:/…, on another disk"),
  ingestSocket: field.text("Unix socket on which main is served (IngestService)"),
  callSocket: field.text("Main's unix socket for rooms that can be called"),
  logFile: field.optional(field.text("Where lines are appended; else stderr")),
  reserveBytes: field.int("Bytes that must stay free beside the takes", { default: 256 << 20 }),
});
export type IngestConfig = ConfigOf<typeof IngestConfig>;

/** The folder of a `file:` URL; other kinds of store are refused by name. */
export function folderOf(url: string, key: string): string {
  if (!url.startsWith("file:")) throw new Error(`${key}: only file: URLs are supported, not ${url.split(":", 1)[0]}:`);
  return fileURLToPath(url);
}
