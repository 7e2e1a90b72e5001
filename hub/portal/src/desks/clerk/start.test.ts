import assert from "node:assert/strict";
import test from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type ErrorCode, XiezhiError } from "@xiezhi/protos/errors.ts";
import { DeskSchema, type StartResponse, StartResponseSchema } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { SimulatedPageClock } from "../../clock.sim.ts";
import type { StreamListener } from "../../socket.ts";
import { Start } from "./start.ts";

function room() {
  const clock = new SimulatedPageClock();
  const asked: { requestId: string; listener: StreamListener<StartResponse>; cancelled: boolean }[] = [];
  let ids = 0;
  const start = new Start({
    clock,
    newId: () => `id-${++ids}`,
    open: (_method, request, listener) => {
      const it = { requestId: request.requestId ?? "", listener, cancelled: false };
      asked.push(it);
      return { cancel: () => (it.cancelled = true) };
    },
  });
  const say = (what: MessageInitShape<typeof StartResponseSchema>["what"]) =>
    asked.at(-1)!.listener.message(create(StartResponseSchema, { what: what! }));
  const fail = (code: ErrorCode, reason: string) =>
    asked.at(-1)!.listener.failed(new XiezhiError({ code, reason, zh: reason, en: reason }));
  return { clock, start, asked, say, fail };
}
const wish = { roomId: "courtroom-1" };
const step = { case: "step", value: { device: "cam-judge", step: "connect", ok: true, ms: 12 } } as const;

test("steps are shown as they come, and the take at the end", () => {
  const { start, say } = room();
  start.press(wish);
  say(step);
  const asking = start.snapshot();
  assert.ok(asking.step === "asking" && asking.steps[0]?.device === "cam-judge");
  say({ case: "started", value: { takeId: "t", buttonToFirstParcelMs: 900 } });
  const done = start.snapshot();
  assert.ok(done.step === "started" && done.started?.takeId === "t" && done.steps.length === 1);
});

test("a double click is one request", () => {
  const { start, asked } = room();
  start.press(wish);
  start.press(wish);
  assert.equal(asked.length, 1);
});

test("a room that is away was sent nothing: said so, not repeated", () => {
  const { start, asked, fail, clock } = room();
  start.press(wish);
  fail("UNAVAILABLE", "ROOMS_AWAY");
  assert.equal(start.snapshot().step, "notSent");
  clock.advanceMs(30_000);
  assert.equal(asked.length, 1);
});

test("no answer in 2.5 s: not confirmed; a late answer still counts", () => {
  const { start, clock, say } = room();
  start.press(wish);
  clock.advanceMs(2_499);
  assert.equal(start.snapshot().step, "asking");
  clock.advanceMs(1);
  assert.equal(start.snapshot().step, "unconfirmed");
  say({ case: "started", value: { takeId: "t" } });
  assert.equal(start.snapshot().step, "started");
});

test("an unconfirmed start is repeated with the same request id, then left to the person, whose repetition keeps it too", () => {
  const { start, clock, asked, fail } = room();
  start.press(wish);
  for (let i = 0; i < 20; i++) {
    if (!asked.at(-1)!.cancelled) fail("UNAVAILABLE", "ROOMS_UNCONFIRMED");
    clock.advanceMs(2_000);
  }
  const left = start.snapshot();
  assert.ok(left.step === "unconfirmed" && !left.repeating);
  const count = asked.length;
  assert.ok(count > 5 && count < 13, String(count));
  start.repeat();
  assert.equal(asked.length, count + 1);
  assert.deepEqual([...new Set(asked.map((it) => it.requestId))], ["id-1"]);
});

test("once something may have arrived, a room that is away proves nothing", () => {
  const { start, clock, fail } = room();
  start.press(wish);
  fail("UNAVAILABLE", "PORTAL_LINK_LOST");
  clock.advanceMs(2_000);
  fail("UNAVAILABLE", "ROOMS_AWAY");
  assert.equal(start.snapshot().step, "unconfirmed");
});

test("the Desk with our request id confirms it; another one's take does not", () => {
  const { start, fail } = room();
  start.press(wish);
  fail("UNAVAILABLE", "ROOMS_UNCONFIRMED");
  start.know(create(DeskSchema, { take: { takeId: "x", requestId: "other" } }));
  assert.equal(start.snapshot().step, "unconfirmed");
  start.know(create(DeskSchema, { take: { takeId: "t", requestId: "id-1" } }));
  assert.equal(start.snapshot().step, "started");
});

test("a refusal is final and says why; the next press is another request", () => {
  const { start, asked, fail } = room();
  start.press(wish);
  fail("FAILED_PRECONDITION", "ROOMS_ALREADY_RECORDING");
  const refused = start.snapshot();
  assert.ok(refused.step === "refused" && refused.error.reason === "ROOMS_ALREADY_RECORDING");
  start.press(wish);
  assert.deepEqual(
    asked.map((it) => it.requestId),
    ["id-1", "id-2"],
  );
  fail("DEADLINE_EXCEEDED", "ROOMS_EXPIRED");
  assert.equal(start.snapshot().step, "refused", "too late on arrival is a no, not a silence");
});
