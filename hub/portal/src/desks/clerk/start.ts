import type { MessageInitShape } from "@bufbuild/protobuf";
import { type XiezhiError } from "@xiezhi/protos/errors.ts";
import {
  type Desk,
  RoomService,
  type Started,
  type StartRequestSchema,
  type StartResponse,
  type StartStep,
} from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import type { PageClock, Timer } from "../../clock.ts";
import type { Stream, StreamListener } from "../../socket.ts";
import { isRefusal } from "../../ui/seen.ts";

/** A start without any answer for this long is not confirmed (DECISIONS 16), ms. */
const answerMs = 2_500;
const repeatMs = 2_000;
/** The page repeats by itself this long after the press; a hearing must not begin minutes after somebody wanted it. */
const repeatForMs = 20_000;
/** How it started stays in sight for this long, ms. */
const shownMs = 20_000;

export type StartState =
  | { step: "idle" }
  | { step: "asking"; steps: StartStep[] }
  /** Sent, and nobody said yes or no: look at the room. `repeating`: the page still asks by itself. */
  | { step: "unconfirmed"; steps: StartStep[]; repeating: boolean }
  /** No link to the room: nothing was sent. */
  | { step: "notSent"; error: XiezhiError }
  | { step: "refused"; error: XiezhiError; steps: StartStep[] }
  | { step: "started"; started: Started | undefined; steps: StartStep[] };

export interface StartWish {
  roomId: string;
  hearingId?: string;
  title?: string;
}

type Open = (
  method: typeof RoomService.method.start,
  request: MessageInitShape<typeof StartRequestSchema>,
  listener: StreamListener<StartResponse>,
  reopen: false,
) => Stream;

/** One press of the button until it is known what became of it. Every repetition carries the same request id. */
export class Start {
  private readonly options: { open: Open; clock: PageClock; newId: () => string };
  private readonly listeners = new Set<() => void>();
  private state: StartState = { step: "idle" };
  private request: MessageInitShape<typeof StartRequestSchema> & { requestId: string } = { requestId: "" };
  private pressedAtMs = 0;
  /** Something may have reached the room: "away" is then no proof that nothing was started. */
  private sent = false;
  private stream: Stream | undefined;
  private timer: Timer | undefined;

  constructor(options: { open: Open; clock: PageClock; newId: () => string }) {
    this.options = options;
  }

  readonly snapshot = (): StartState => this.state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  press(wish: StartWish): void {
    if (this.state.step === "asking" || this.state.step === "unconfirmed") return;
    this.request = { ...wish, requestId: this.options.newId() };
    this.pressedAtMs = this.options.clock.monoMs();
    this.sent = false;
    this.set({ step: "asking", steps: [] });
    this.ask();
  }

  /** The person asks again by hand; still the same request. */
  repeat(): void {
    if (this.state.step !== "unconfirmed") return;
    this.pressedAtMs = this.options.clock.monoMs();
    this.set({ ...this.state, repeating: true });
    this.ask();
  }

  forget(): void {
    this.quiet();
    this.set({ step: "idle" });
  }

  /** The Desk proves what became of the press, whatever the answer's way did. */
  know(desk: Desk): void {
    if (this.state.step !== "asking" && this.state.step !== "unconfirmed") return;
    if (desk.take && desk.take.requestId === this.request.requestId && this.state.step === "unconfirmed") this.done(undefined);
  }

  private ask(): void {
    this.quiet();
    this.stream = this.options.open(
      RoomService.method.start,
      this.request,
      { message: (message) => this.answered(message), failed: (error) => this.failed(error), ended: () => this.ended() },
      false,
    );
    this.timer = this.options.clock.after(answerMs, () => this.unconfirmed());
  }

  private answered({ what }: StartResponse): void {
    this.sent = true;
    this.timer?.cancel();
    if (what.case === "started") return this.done(what.value);
    if (what.case === "step") this.set({ step: "asking", steps: [...this.steps(), what.value] });
  }

  private failed(error: XiezhiError): void {
    if (this.state.step === "started") return;
    this.quiet();
    // Too late on arrival: the room says that it did not carry it out.
    if (isRefusal(error) || error.reason === "ROOMS_EXPIRED") return this.set({ step: "refused", error, steps: this.steps() });
    if (error.reason === "ROOMS_AWAY" && !this.sent) return this.set({ step: "notSent", error });
    this.unconfirmed();
    this.again();
  }

  private ended(): void {
    if (this.state.step === "started") return;
    this.unconfirmed();
    this.again();
  }

  private unconfirmed(): void {
    this.sent = true;
    this.set({ step: "unconfirmed", steps: this.steps(), repeating: true });
  }

  private again(): void {
    const repeating = this.options.clock.monoMs() - this.pressedAtMs < repeatForMs;
    this.set({ step: "unconfirmed", steps: this.steps(), repeating });
    if (repeating) this.timer = this.options.clock.after(repeatMs, () => this.ask());
  }

  private done(started: Started | undefined): void {
    this.quiet();
    this.set({ step: "started", started, steps: this.steps() });
    this.timer = this.options.clock.after(shownMs, () => this.set({ step: "idle" }));
  }

  private steps(): StartStep[] {
    return "steps" in this.state ? this.state.steps : [];
  }

  private quiet(): void {
    this.timer?.cancel();
    this.stream?.cancel();
    this.stream = undefined;
  }

  private set(state: StartState): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}
