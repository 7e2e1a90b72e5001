import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Ports } from "./ports.ts";

function newHome(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), "xz-ports-"));
  t.after(() => rmSync(home, { recursive: true }));
  return home;
}

test("ports are remembered; one that something else listens on, or that a demo which starts holds, becomes another", async (t) => {
  const home = newHome(t);
  const first = await Ports.open(home);
  const ports = [await first.of("portal"), await first.of("hub")];
  await first.save();

  const beside = await Ports.open(home);
  const others = [await beside.of("portal"), await beside.of("hub")];
  assert.equal(new Set([...ports, ...others]).size, 4, `${ports.join()} are held, not open: ${others.join()}`);
  for (const each of [first, beside]) each.close();

  const again = await Ports.open(home);
  assert.equal(await again.of("portal"), ports[0]);
  const stranger = createServer().listen(ports[1], "127.0.0.1");
  t.after(() => stranger.close());
  assert.notEqual(await again.of("hub"), ports[1]);
  again.close();
});
