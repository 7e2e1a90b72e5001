import { createServer, type ListenOptions, type Server } from "node:net";
import { join } from "node:path";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";

/**
 * Ports of one home, found once and remembered, so that addresses stay as they were. Each is held by its name until `close`: of two
 * demos that start at once neither takes a port for free that the other's programs have yet to open.
 */
export class Ports {
  private readonly file: string;
  private readonly known: Record<string, number>;
  private readonly taken: Set<number>;
  private readonly held: Server[] = [];

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
    if (known !== undefined && (await isFree(known)) && (await this.hold(known))) return known;
    let port = await freePort();
    while (this.taken.has(port) || !(await this.hold(port))) port = await freePort();
    this.known[name] = port;
    this.taken.add(port);
    return port;
  }

  save(): Promise<void> {
    return writeDurably(this.file, `${JSON.stringify(this.known, null, 2)}\n`);
  }

  close(): void {
    for (const server of this.held) server.close();
  }

  /** False: another demo holds it. */
  private async hold(port: number): Promise<boolean> {
    // An abstract name (unix(7)): it ends with this process, however that ends.
    const server = await listen({ path: `\0xiezhi-port-${port}` }).catch(() => undefined);
    if (server) this.held.push(server.unref());
    return server !== undefined;
  }
}

async function isFree(port: number): Promise<boolean> {
  return (await tried(port).catch(() => undefined)) !== undefined;
}

/** A port of loopback that nothing listens at now. */
export function freePort(): Promise<number> {
  return tried(0);
}

/** Listens there and lets it go. */
async function tried(port: number): Promise<number> {
  const server = await listen({ port, host: "127.0.0.1" });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : port;
}

function listen(where: ListenOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject).listen(where, () => resolve(server));
  });
}
