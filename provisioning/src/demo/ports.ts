import { createServer } from "node:net";
import { join } from "node:path";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";

/** Ports of one home, found once and remembered, so that two clones run at once and addresses stay as they were. */
export class Ports {
  private readonly file: string;
  private readonly known: Record<string, number>;
  private readonly taken: Set<number>;

  private constructor(file: string, known: Record<string, number>) {
    this.file = file;
    this.known = known;
    this.taken = new Set(Object.values(known));
  }

  static async open(home: string): Promise<Ports> {
    const file = join(home, "ports.json");
    return new Ports(file, JSON.parse((await readIfThere(file)) ?? "{}") as Record<string, number>);
  }

  /** The remembered port, or another one where something else listens there now. */
  async of(name: string): Promise<number> {
    const known = this.known[name];
    if (known !== undefined && (await isFree(known))) return known;
    let port = await freePort();
    while (this.taken.has(port)) port = await freePort();
    this.known[name] = port;
    this.taken.add(port);
    return port;
  }

  save(): Promise<void> {
    return writeDurably(this.file, `${JSON.stringify(this.known, null, 2)}\n`);
  }
}

function isFree(port: number): Promise<boolean> {
  return listen(port).then(
    () => true,
    () => false,
  );
}

function freePort(): Promise<number> {
  return listen(0);
}

function listen(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : port));
    });
  });
}
