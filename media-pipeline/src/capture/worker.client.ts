import { connect, type Socket } from "node:net";
import type { Clock } from "@xiezhi/base/clock.ts";
import { FrameReader, jsonFrame } from "../framing.ts";
import { type FromWorker, type LiveFrame, readLiveFrame, type ToWorker } from "./wire.ts";

export type Hello = Extract<FromWorker, { kind: "hello" }>;

/** What answers what. */
const ANSWERS = { prepare: "prepared", record: "recording", pause: "paused", resume: "resumed", stop: "stopped" } as const;
type Answers = typeof ANSWERS;
type Order<K extends keyof Answers> = ToWorker & { kind: K };
type Answer<K extends keyof Answers> = FromWorker & { kind: Answers[K] };

interface Asked {
  answer: FromWorker["kind"];
  order: ToWorker["kind"];
  done(message: FromWorker): void;
  failed(error: Error): void;
}

/** A worker that does not answer within this does not obey any more. */
const ANSWER_MS = 5_000;
/** A pause and a stop wait for sound that is not encoded yet, up to 10 s. */
const HALTED_MS = 12_000;

export interface CaptureWorkerEvents {
  onMessage(message: FromWorker): void;
  onLive(frame: LiveFrame): void;
  /** The connection is gone: the worker has ended, or will find out that it is alone. */
  onGone(): void;
}

/** The agent's connection to a capture worker. Owning none of its life: it may be adopted from an agent before this one. */
export class CaptureWorker {
  readonly hello: Hello;
  private readonly socket: Socket;
  private readonly clock: Clock;
  private readonly asked = new Set<Asked>();

  private constructor(socket: Socket, clock: Clock, hello: Hello) {
    this.socket = socket;
    this.clock = clock;
    this.hello = hello;
  }

  /** Resolves with the worker's first words; rejects when nobody listens there. */
  static connect(socketPath: string, clock: Clock, events: CaptureWorkerEvents): Promise<CaptureWorker> {
    return new Promise((resolve, reject) => {
      const socket = connect(socketPath);
      let worker: CaptureWorker | undefined;
      const reader = new FrameReader((kind, payload) => {
        if (kind === 1) return events.onLive(readLiveFrame(Buffer.from(payload)));
        const message = JSON.parse(payload.toString("utf8")) as FromWorker;
        if (message.kind === "hello") {
          worker = new CaptureWorker(socket, clock, message);
          resolve(worker);
        }
        worker?.hear(message);
        events.onMessage(message);
      });
      socket.on("data", (bytes) => {
        try {
          reader.push(bytes);
        } catch (error) {
          socket.destroy(error as Error);
        }
      });
      socket.on("error", reject);
      socket.on("close", () => {
        reject(new Error("the worker closed the connection"));
        worker?.leave();
        if (worker) events.onGone();
      });
    });
  }

  send(order: ToWorker): void {
    this.socket.write(jsonFrame(order));
  }

  /** Sends and waits for the answer; rejects when the worker can't, is gone, or does not answer within 5 s, a pause or stop within 12 s. */
  ask<K extends keyof Answers>(order: Order<K>): Promise<Answer<K>> {
    return new Promise((resolve, reject) => {
      const late = () => end(() => reject(new Error(`the worker does not answer ${order.kind}`)));
      const patience = this.clock.after(order.kind === "pause" || order.kind === "stop" ? HALTED_MS : ANSWER_MS, late);
      const end = (act: () => void) => {
        patience.cancel();
        this.asked.delete(asked);
        act();
      };
      const asked: Asked = {
        answer: ANSWERS[order.kind],
        order: order.kind,
        done: (message) => end(() => resolve(message as Answer<K>)),
        failed: (error) => end(() => reject(error)),
      };
      this.asked.add(asked);
      if (this.socket.destroyed) asked.failed(new Error("the worker is gone"));
      else this.send(order);
    });
  }

  /** The worker stays and waits for another agent. */
  close(): void {
    this.socket.destroy();
  }

  private hear(message: FromWorker): void {
    for (const asked of this.asked) {
      if (message.kind === asked.answer) asked.done(message);
      else if (message.kind === "failed" && message.order === asked.order) asked.failed(new Error(message.reason));
    }
  }

  private leave(): void {
    for (const asked of this.asked) asked.failed(new Error("the worker is gone"));
  }
}
