import assert from "node:assert/strict";
import test from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { XiezhiError } from "@xiezhi/protos/errors.ts";
import { DevicesService, WatchDevicesResponseSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { ClientFrameSchema, ServerFrameSchema } from "@xiezhi/protos/gen/xiezhi/sockets/v1/sockets_pb.js";
import { SimulatedPageClock } from "./clock.sim.ts";
import { Socket, type Wire } from "./socket.ts";
import type { Seen } from "./ui/seen.ts";
import { Watch } from "./ui/watch.ts";

const method = DevicesService.method.watchDevices;

class SimWire implements Wire {
  binaryType = "";
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;
  readonly sent: string[] = [];

  send(data: Uint8Array<ArrayBuffer>): void {
    const frame = fromBinary(ClientFrameSchema, data);
    this.sent.push(frame.what.case === "open" ? `open ${frame.stream} ${frame.what.value.method}` : `cancel ${frame.stream}`);
  }

  close(): void {
    this.closed = true;
  }

  give(stream: number, what: NonNullable<MessageInitShape<typeof ServerFrameSchema>["what"]>): void {
    const bytes = toBinary(ServerFrameSchema, create(ServerFrameSchema, { stream, what }));
    this.onmessage?.({ data: bytes.slice().buffer });
  }

  devices(stream: number, id: string): void {
    this.give(stream, {
      case: "message",
      value: toBinary(WatchDevicesResponseSchema, create(WatchDevicesResponseSchema, { devices: [{ id }] })),
    });
  }

  pulse(): void {
    this.give(0, { case: "pulse", value: {} });
  }
}

function start() {
  const clock = new SimulatedPageClock();
  const wires: SimWire[] = [];
  let refused = 0;
  const dial = () => {
    const wire = new SimWire();
    wires.push(wire);
    return wire;
  };
  const socket = new Socket({ clock, dial, refused: () => refused++ });
  const last = () => wires.at(-1)!;
  const watch = () => {
    const it = new Watch({ socket, clock, method, request: { roomId: "courtroom-1" }, pick: (message) => message.devices[0]?.id });
    const seen: Seen<string>[] = [];
    return { it, seen, stop: it.subscribe(() => seen.push(it.snapshot())) };
  };
  return { clock, socket, wires, last, watch, refused: () => refused };
}

test("a watch is loading, then live with the time it was proven, then stale by silence alone, then live again", () => {
  const page = start();
  const { it } = page.watch();
  assert.equal(it.snapshot().state, "loading");
  page.last().onopen?.();
  assert.deepEqual(page.last().sent, ["open 1 xiezhi.devices.v1.DevicesService/WatchDevices"]);
  page.last().devices(1, "cam-judge");
  const provenAtMs = page.clock.nowMs();
  assert.deepEqual(it.snapshot(), { state: "live", value: "cam-judge", provenAtMs });
  page.clock.advanceMs(3_600);
  assert.deepEqual(it.snapshot(), { state: "stale", value: "cam-judge", sinceMs: provenAtMs, error: undefined });
  page.last().pulse();
  assert.equal(it.snapshot().state, "live");
});

test("a dead connection is dialled again and the watch opened again on it, later each time", () => {
  const page = start();
  const { it } = page.watch();
  page.last().onopen?.();
  page.last().devices(1, "one");
  page.clock.advanceMs(6_600);
  assert.equal(page.wires[0]?.closed, true);
  page.clock.advanceMs(300);
  assert.equal(page.wires.length, 2);
  page.last().onclose?.();
  page.clock.advanceMs(300);
  assert.equal(page.wires.length, 2, "the second try waits longer than the first");
  page.clock.advanceMs(300);
  page.last().onopen?.();
  assert.deepEqual(page.last().sent, ["open 1 xiezhi.devices.v1.DevicesService/WatchDevices"]);
  page.last().devices(1, "two");
  assert.deepEqual([it.snapshot().state, page.wires.length, page.refused()], ["live", 3, 1]);
});

test("what the server decided is refused for good; a room that is away is stale with the reason, and asked again", () => {
  const page = start();
  const denied = page.watch();
  const away = page.watch();
  page.last().onopen?.();
  page.last().give(1, { case: "failure", value: { code: 7, reason: "RIGHTS_ROLE", zh: "需要书记员", en: "needs a clerk" } });
  page.last().give(2, { case: "failure", value: { code: 14, reason: "ROOMS_AWAY", zh: "法庭不在线", en: "the room is away" } });
  assert.equal(denied.it.snapshot().state, "refused");
  const seen = away.it.snapshot();
  assert.ok(seen.state === "stale" && seen.error?.reason === "ROOMS_AWAY");
  page.clock.advanceMs(600);
  assert.equal(page.last().sent.at(-1), "open 3 xiezhi.devices.v1.DevicesService/WatchDevices");
  page.last().pulse();
  assert.equal(away.it.snapshot().state, "stale", "a pulse of the server proves nothing about a room that is away");
});

test("a command is not repeated by the socket: its caller is told that the link was lost", () => {
  const page = start();
  const failures: XiezhiError[] = [];
  const listener = { message: () => {}, failed: (error: XiezhiError) => failures.push(error), ended: () => {} };
  page.socket.open(method, {}, listener, false);
  page.last().onopen?.();
  page.last().onclose?.();
  assert.deepEqual(
    failures.map((it) => it.reason),
    ["PORTAL_LINK_LOST"],
  );
  page.clock.advanceMs(10_000);
  assert.equal(page.wires.length, 1);
});

test("the last watch that stops cancels its stream and, unless another begins soon, hangs up", () => {
  const page = start();
  const first = page.watch();
  page.last().onopen?.();
  first.stop();
  assert.equal(page.last().sent.at(-1), "cancel 1");
  page.clock.advanceMs(1_000);
  const second = page.watch();
  page.clock.advanceMs(2_000);
  assert.equal(page.last().closed, false);
  second.stop();
  page.clock.advanceMs(2_100);
  assert.equal(page.last().closed, true);
});

test("bytes that are no frame end the connection, not the page", () => {
  const page = start();
  const { it } = page.watch();
  page.last().onopen?.();
  page.last().onmessage?.({ data: new Uint8Array([255, 255, 255]).buffer });
  assert.equal(it.snapshot().state, "stale");
  page.clock.advanceMs(300);
  assert.equal(page.wires.length, 2);
});
