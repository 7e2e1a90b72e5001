import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "@xiezhi/base/log.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { roomDoor, type RoomMember, type RoomMemberKind } from "./room-door.ts";

const room = { siteId: "court-1", roomId: "courtroom-1" };
const member = (name: string, kind: RoomMemberKind): RoomMember => ({ name, kind, password: new Secret(`pw-${name}`) });
const supervisor = member("supervisor", "supervisor");
const technician = member("technician", "technician");
const plug = member("plug-1", "device");
const door = roomDoor(room, [supervisor, technician, plug], silentLog);

test("a login is its name and password, and nobody takes another's client id", () => {
  const admit = (username: string, password: string, clientId: string) => door.admit({ clientId, username, password, uris: [], from: "" });
  assert.equal(admit("plug-1", "pw-plug-1", "plug-1"), plug);
  assert.equal(admit("technician", "pw-technician", "mqtt-explorer-17"), technician);
  for (const [username, password, clientId] of [
    ["plug-1", "pw-technician", "plug-1"],
    ["plug-1", "", "plug-1"],
    ["nobody", "pw-nobody", "nobody"],
    ["plug-1", "pw-plug-1", "plug-2"],
    ["technician", "pw-technician", "supervisor"],
  ] as const)
    assert.equal(admit(username, password, clientId), undefined, `${username} as ${clientId}`);
});

test("each publishes and reads what is theirs", () => {
  const here = "xiezhi/court-1/courtroom-1";
  const rows: [RoomMember, "publish" | "read", string, boolean][] = [
    [supervisor, "publish", `${here}/cam/state`, true],
    [supervisor, "publish", `${here}/cam/anything`, false],
    [supervisor, "publish", "xiezhi/court-1/courtroom-2/cam/state", false],
    [supervisor, "read", `${here}/+/command`, true],
    [plug, "publish", `${here}/raw/plug-1`, true],
    [plug, "publish", `${here}/raw/plug-1/tele/STATE`, true],
    [plug, "publish", `${here}/raw/plug-11/tele`, false],
    [plug, "publish", `${here}/plug-1/state`, false],
    [plug, "publish", `${here}/cam/command`, false],
    [plug, "read", `${here}/plug-1/command`, true],
    [plug, "read", `${here}/raw/plug-1/cmnd/#`, true],
    [plug, "read", "#", false],
    [plug, "read", `${here}/+/state`, false],
    [technician, "publish", `${here}/cam/command`, true],
    [technician, "publish", `${here}/cam/state`, false],
    [technician, "publish", `${here}/cam\u0000/command`, false],
    [technician, "read", "#", true],
    [technician, "read", "$SYS/#", false],
  ];
  for (const [who, act, topic, allowed] of rows)
    assert.equal(
      act === "publish" ? door.mayPublish(who, topic, false) : door.maySubscribe(who, topic),
      allowed,
      `${who.name} ${act} ${topic}`,
    );
  assert.equal(
    door.mayPublish(technician, `${here}/cam/command`, true),
    false,
    "a retained command would be done again by whoever comes later",
  );
});
