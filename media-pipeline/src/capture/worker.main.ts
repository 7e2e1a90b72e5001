import { rmSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { connect, createServer, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { systemClock, type Timer } from "@xiezhi/base/clock.ts";
import { FrameReader, frameHead, jsonFrame } from "../framing.ts";
import { timescaleOf } from "../mp4/header.ts";
import { bootId } from "../spool/boot.ts";
import { spoolFiles } from "./tracks/spool-files.ts";
import { type FromWorker, LIVE_HEADER, LIVE_KEY, LIVE_SMALL, liveHead, type ToWorker } from "./wire.ts";
import { Worker } from "./worker.ts";
import { workerLog } from "./worker-log.ts";

// The capture worker as a program: `worker.main.ts --id w1 --socket <path> --log <file>`. Agents come and go; it stays until
// it is told to end, or until none has been there for 30 s.

const ORPHAN_MS = 30_000;
/** A live view that does not keep up loses pieces up to the next key frame. */
const LIVE_BACKLOG_BYTES = 4 * 1024 * 1024;

const { values } = parseArgs({ options: { id: { type: "string" }, socket: { type: "string" }, log: { type: "string" } } });
const { id = "", socket: socketPath = "", log: logFile = "" } = values;
if (id === "" || socketPath === "" || logFile === "") throw new Error("worker.main.ts needs --id, --socket and --log");

const clock = systemClock;
const log = workerLog(logFile, clock);
const agents = new Set<Socket>();
/** Live tracks that lost a piece and wait for a key frame. */
const stalled = new Set<string>();
let orphan: Timer | undefined;
let orders: Promise<void> = Promise.resolve();

const worker = new Worker({
  workerId: id,
  clock,
  log,
  files: spoolFiles,
  tell,
  live: {
    header(number, small, format, header) {
      tell({ kind: "liveHeader", number, small, codec: format.codec, timescale: timescaleOf(format) });
      sendLive(number, LIVE_HEADER | (small ? LIVE_SMALL : 0), clock.monoUs(), [header]);
    },
    chunk(number, small, key, arrivedUs, parts) {
      const name = `${number}${small}`;
      const full = [...agents].some((agent) => agent.writableLength > LIVE_BACKLOG_BYTES);
      if (full) stalled.add(name);
      if (stalled.has(name) && (full || !key)) return;
      stalled.delete(name);
      sendLive(number, (key ? LIVE_KEY : 0) | (small ? LIVE_SMALL : 0), arrivedUs, parts);
    },
  },
});

function tell(message: FromWorker): void {
  const frame = jsonFrame(message);
  for (const agent of agents) agent.write(frame);
}

function sendLive(number: number, flags: number, arrivedUs: number, parts: readonly Buffer[]): void {
  const head = liveHead(number, flags, clock.nowMs() * 1e3 - (clock.monoUs() - arrivedUs));
  const bytes = parts.reduce((sum, part) => sum + part.length, head.length);
  for (const agent of agents) {
    agent.cork();
    agent.write(Buffer.concat([frameHead(1, bytes), head]));
    for (const part of parts) agent.write(part);
    agent.uncork();
  }
}

/** In the order they came, one after the other. */
function obey(order: ToWorker): void {
  orders = orders
    .then(() => worker.obey(order))
    .then(() => (order.kind === "end" ? leave("told to") : undefined))
    .catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      log.write("could not obey", { order: order.kind, reason });
      tell({ kind: "failed", order: order.kind, reason });
    });
}

function welcome(agent: Socket): void {
  orphan?.cancel();
  agents.add(agent);
  const reader = new FrameReader((kind, payload) => {
    if (kind === 0) obey(JSON.parse(payload.toString("utf8")) as ToWorker);
  });
  agent.on("data", (bytes) => {
    try {
      reader.push(bytes);
    } catch {
      agent.destroy();
    }
  });
  agent.on("error", () => {});
  agent.on("close", () => {
    agents.delete(agent);
    if (agents.size === 0) waitForAgent();
  });
  const { running: take } = worker;
  agent.write(
    jsonFrame({ kind: "hello", workerId: id, bootId: bootId(), pid: process.pid, ...(take ? { take } : {}) } satisfies FromWorker),
  );
  worker.tellState();
}

function waitForAgent(): void {
  orphan?.cancel();
  orphan = clock.after(ORPHAN_MS, () => {
    log.write("no agent for 30 s");
    obey({ kind: "end" });
  });
}

function leave(why: string): void {
  log.write("ends", { why });
  rmSync(socketPath, { force: true });
  // Told as soon as the sockets are empty; nothing of the take hangs on it.
  for (const agent of agents) agent.end();
  process.exit(0);
}

/** A worker of the same name that lives keeps the socket: this one is superfluous. */
function listen(): void {
  const other = connect(socketPath);
  other.on("connect", () => {
    log.write("another worker has the socket");
    process.exit(3);
  });
  other.on("error", () => {
    rmSync(socketPath, { force: true });
    createServer(welcome).listen(socketPath, () => {
      log.write("listens", { id });
      // Written now, because a process that is killed would never write it.
      flushCompileCache();
    });
    waitForAgent();
  });
}

process.umask(0o077);
process.on("SIGHUP", () => {});
process.on("SIGPIPE", () => {});
process.on("SIGINT", () => {});
process.on("SIGTERM", () => obey({ kind: "end" }));
process.on("uncaughtException", (error) => {
  log.write("fails", { error: error.stack ?? String(error) });
  process.exit(1);
});
listen();
