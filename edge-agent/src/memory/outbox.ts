import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type DescMessage, fromJsonString, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import type { Log } from "@xiezhi/base/log.ts";

/** UUIDv7: in the order of their names they happened. A file that a power cut tore has another name still. */
const NAME = /^[0-9a-f-]{36}\.json$/;

/**
 * What the hub does not hold yet, a file each, gone once the hub says that it has it. A disk that is full stops nothing: what can't
 * be kept is said as long as this process lives.
 */
export class Outbox<Desc extends DescMessage> {
  private readonly schema: Desc;
  private readonly folder: string;
  private readonly log: Log;
  private readonly entries = new Map<string, MessageShape<Desc>>();
  private readonly listeners = new Set<() => void>();
  private writing: Promise<void> = Promise.resolve();

  constructor(schema: Desc, folder: string, log: Log) {
    this.schema = schema;
    this.folder = folder;
    this.log = log;
  }

  async open(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    for (const name of (await readdir(this.folder)).filter((each) => NAME.test(each)).sort()) {
      try {
        const text = (await readIfThere(join(this.folder, name))) ?? "";
        this.entries.set(name.slice(0, 36), fromJsonString(this.schema, text, { ignoreUnknownFields: true }));
      } catch (error) {
        this.log.error({ err: error, file: name }, "what waits for the hub can't be read and stays where it is");
      }
    }
  }

  /** Resolves once it is on disk, or can't be. */
  add(id: string, message: MessageShape<Desc>): Promise<void> {
    this.entries.set(id, message);
    for (const listener of this.listeners) listener();
    this.writing = this.writing.then(() => this.write(id, message));
    return this.writing;
  }

  /** Oldest first. */
  waiting(): readonly MessageShape<Desc>[] {
    return [...this.entries.values()];
  }

  async taken(ids: readonly string[]): Promise<void> {
    for (const id of ids) if (this.entries.delete(id)) await rm(this.fileOf(id), { force: true });
  }

  /** Called after each `add`; what it returns ends that. */
  onAdd(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Resolves once all that was added is on disk. */
  async close(): Promise<void> {
    await this.writing;
  }

  private async write(id: string, message: MessageShape<Desc>): Promise<void> {
    if (!this.entries.has(id)) return;
    try {
      await writeDurably(this.fileOf(id), toJsonString(this.schema, message));
    } catch (error) {
      this.log.error({ err: error }, "what waits for the hub could not be kept");
    }
  }

  private fileOf(id: string): string {
    return join(this.folder, `${id}.json`);
  }
}
