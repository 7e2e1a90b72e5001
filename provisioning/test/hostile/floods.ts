import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { gzipSync } from "node:zlib";
import { systemClock as clock } from "@xiezhi/base/clock.ts";

/** What is too large everywhere. */
export const HUGE_BYTES = 100 << 20;
const PIECE = Buffer.alloc(1 << 20, "x");
/** A slow machine needs long for 100 MiB; nobody holds what it can make nothing of for longer than 30 s. */
const LET_GO_WITHIN_MS = 90_000;
const HEARD_MAX_CHARACTERS = 2_000;

/** What a server answered, and that it let go: nothing that is thrown at it stays open. */
export interface Outcome {
  heard: string;
  sentBytes: number;
  letGo: boolean;
}

export async function tcp(port: number): Promise<Duplex> {
  const socket = connectTcp(port, "localhost");
  await once(socket, "connect");
  return socket;
}

export async function tls(port: number, options: ConnectionOptions): Promise<Duplex> {
  const socket = connectTls({ port, host: "localhost", servername: "localhost", ...options });
  await once(socket, "secureConnect");
  return socket;
}

export function garbage(): Uint8Array[] {
  return [randomBytes(1 << 20)];
}

export function* huge(): Generator<Uint8Array> {
  for (let bytes = 0; bytes < HUGE_BYTES; bytes += PIECE.length) yield PIECE;
}

export function* after(head: Uint8Array | string, pieces: Iterable<Uint8Array | string>): Generator<Uint8Array | string> {
  yield head;
  yield* pieces;
}

/** Throws all of this at an open connection, then ends it, and sees it let go. */
export async function pour(socket: Duplex, pieces: Iterable<Uint8Array | string>): Promise<Outcome> {
  let heard = "";
  let sentBytes = 0;
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  // Being reset in the middle of it is one way of being let go.
  socket.on("error", () => {});
  socket.on("data", (data: Buffer) => {
    heard = (heard + data.toString("latin1")).slice(0, HEARD_MAX_CHARACTERS);
  });
  const poured = (async () => {
    for (const piece of pieces) {
      if (socket.destroyed) return;
      sentBytes += piece.length;
      if (!socket.write(piece)) await Promise.race([once(socket, "drain").catch(() => {}), closed]);
    }
    socket.end();
  })();
  const letGo = await within(Promise.all([closed, poured]));
  socket.destroy();
  return { heard, sentBytes, letGo };
}

/** One gRPC call whose body is this. */
export async function call(socket: Duplex, path: string, headers: Record<string, string>, pieces: Iterable<Uint8Array>): Promise<Outcome> {
  const session = connectHttp2("https://localhost", { createConnection: () => socket });
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": path, te: "trailers", "content-type": "application/grpc", ...headers });
  let heard = "";
  const hear = ({ "grpc-status": status, "grpc-message": message }: IncomingHttpHeaders) => {
    if (typeof status === "string") heard = `status ${status} ${typeof message === "string" ? message : ""}`;
  };
  stream.on("response", hear).on("trailers", hear);
  const outcome = await pour(stream, pieces);
  session.destroy();
  return { ...outcome, heard };
}

/** A message's prefix in gRPC's framing: compressed or not, and its length. */
function prefix(compressed: boolean, bytes: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed ? 1 : 0);
  head.writeUInt32BE(bytes, 1);
  return head;
}

export function* hugeMessage(): Generator<Uint8Array> {
  yield prefix(false, HUGE_BYTES);
  yield* huge();
}

const packed = gzipSync(Buffer.alloc(HUGE_BYTES));

/** Small on the wire, huge when it is unpacked. */
export function bomb(): Uint8Array[] {
  return [prefix(true, packed.length), packed];
}

/** Announces more than it sends. */
export function truncatedMessage(): Uint8Array[] {
  return [prefix(false, 1_000), Buffer.alloc(10)];
}

async function within(done: Promise<unknown>): Promise<boolean> {
  const patience = new AbortController();
  const late = clock.sleep(LET_GO_WITHIN_MS, patience.signal).then(
    () => false,
    () => false,
  );
  const inTime = await Promise.race([done.then(() => true), late]);
  patience.abort();
  return inTime;
}
