import assert from "node:assert/strict";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { SimulatedClock, systemClock } from "@xiezhi/base/clock.ts";
import { type LinkFaults, startFaultyLink } from "./link.ts";
import { until } from "./trials/scripted-camera.ts";

async function line(t: TestContext, faults: LinkFaults, clock = systemClock) {
  const far: Socket[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    far.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const link = await startFaultyLink({ clock, port: (server.address() as AddressInfo).port, faults });
  const near = connect(link.port, "127.0.0.1");
  const got: Buffer[] = [];
  let ended = "";
  near.on("data", (chunk) => got.push(chunk));
  near.on("end", () => (ended = "end"));
  near.on("error", () => (ended = "error"));
  t.after(async () => {
    near.destroy();
    server.close();
    await link.close();
  });
  await until(() => far.length === 1);
  return { link, near, far: far[0] as Socket, text: () => Buffer.concat(got).toString(), ended: () => ended };
}

test("without faults both directions pass, and so does the end", async (t) => {
  const { near, far, text, ended } = await line(t, {});
  const asked: Buffer[] = [];
  far.on("data", (chunk) => asked.push(chunk));
  near.write("question");
  await until(() => Buffer.concat(asked).toString() === "question");
  far.end("answer");
  await until(() => ended() === "end");
  assert.equal(text(), "answer");
});

test("a delay and a rate are kept, by the clock", async (t) => {
  const clock = new SimulatedClock();
  const late = await line(t, { delayMs: 100 }, clock);
  late.far.write("x");
  await systemClock.sleep(20);
  await clock.advanceMs(90);
  assert.equal(late.text(), "");
  await clock.advanceMs(20);
  await until(() => late.text() === "x");
  const slow = await line(t, { bytesPerSecond: 1_000 }, clock);
  slow.far.write("y".repeat(1_000));
  await systemClock.sleep(20);
  await clock.advanceMs(500);
  await until(() => slow.text().length >= 490);
  assert.ok(slow.text().length <= 510, String(slow.text().length));
  slow.link.faults.bytesPerSecond = 0;
  await clock.advanceMs(5);
  await until(() => slow.text().length === 1_000);
});

test("held, nothing passes, not even the end; then it goes on", async (t) => {
  const { link, far, text, ended } = await line(t, { hold: true });
  far.end("kept");
  await systemClock.sleep(30);
  assert.deepEqual([text(), ended()], ["", ""]);
  link.faults.hold = false;
  await until(() => ended() === "end");
  assert.equal(text(), "kept");
});

test("cut at a byte, and by hand", async (t) => {
  const cut = await line(t, { cutAfterBytes: 5 });
  cut.far.write("0123456789");
  await until(() => cut.ended() !== "");
  assert.equal(cut.text(), "01234");
  const hand = await line(t, {});
  hand.link.cutAll();
  await until(() => hand.ended() === "error");
});
