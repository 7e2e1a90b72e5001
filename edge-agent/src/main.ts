/** One room's agent. Each part may use only what stands above it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { systemClock } from "@xiezhi/base/clock.ts";
import { readConfig } from "@xiezhi/base/config.ts";
import { newId } from "@xiezhi/base/ids.ts";
import { createLog } from "@xiezhi/base/log.ts";
import { Processes } from "@xiezhi/base/processes.ts";
import { Shutdown } from "@xiezhi/base/shutdown.ts";
import { tlsFor } from "@xiezhi/enrol/authority.ts";
import { roomKeyName } from "@xiezhi/ledger/checkpoint.ts";
import { formatVerifierKey, verifierOf } from "@xiezhi/ledger/note.ts";
import { openRoomKey, sha256 } from "@xiezhi/media/signing.ts";
import { bootId } from "@xiezhi/media/spool/boot.ts";
import { RoomSchema } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { DeviceEventSchema } from "@xiezhi/protos/gen/xiezhi/devices/v1/commands_pb.js";
import { startGrpcServer } from "@xiezhi/rpc/grpc.ts";
import { mqttAddressOf } from "@xiezhi/rpc/mqtt/link.ts";
import { certificateDoor, dialledDoor } from "./access/doors.ts";
import { AgentConfig } from "./agent.config.ts";
import { OwnAddress } from "./access/own-address.part.ts";
import { bridge } from "./bridge/bridge.part.ts";
import { HubBridge } from "./bridge/hub-bridge.ts";
import { RoomLink } from "./bridge/room-link.ts";
import { BRIDGE, RoomBroker, SUPERVISOR } from "./broker/broker.part.ts";
import { Commands } from "./devices/commands.ts";
import { Devices } from "./devices/devices.part.ts";
import { Memory } from "./memory/memory.part.ts";
import { Outbox } from "./memory/outbox.ts";
import { Recording } from "./recording/recording.part.ts";
import { Room } from "./room/room.part.ts";
import { roomTracks } from "./room-tracks.ts";
import { Uplink } from "./uplink/uplink.part.ts";

const AGENT_VERSION = "0.1.0";

const file = process.argv[2];
if (file === undefined) throw new Error("usage: main.ts AGENT.json");
const config = readConfig(AgentConfig, JSON.parse(await readFile(file, "utf8")), file);
const { siteId, room, stateFolder } = config;
const clock = systemClock;
const log = createLog(`agent ${siteId}/${room.id}`);
const shutdown = new Shutdown(log);
shutdown.onSignals();

const processes = new Processes(clock, log);
shutdown.add("processes", () => processes.stopAll());

const memory = new Memory({ clock, stateFolder });
await memory.open(log);

const devices = new Devices({ clock, log, roomId: room.id, bootId: bootId(), devices: config.devices });
shutdown.add("devices", () => devices.close());

const recording = new Recording({ clock, log, processes, siteId, roomId: room.id, stateFolder, agentVersion: AGENT_VERSION });
await recording.open(roomTracks(config, devices));
shutdown.add("recording", () => recording.close());
devices.onChange(() => recording.setTracks(roomTracks(config, devices)));
devices.start();

const broker = new RoomBroker({ processes, stateFolder, siteId, roomId: room.id, mqtt: config.mqtt });
await broker.start();
const outbox = new Outbox(DeviceEventSchema, join(stateFolder, "events"), log);
await outbox.open();
const commands = new Commands({
  clock,
  log,
  file: join(stateFolder, "memory", "commands.json"),
  devices,
  answered: async (deviceId, command, result) => {
    const what = { case: "obeyed" as const, value: { command, result } };
    const event = create(DeviceEventSchema, { id: newId(clock), atMs: result.atMs, deviceId, what });
    await outbox.add(event.id, event);
  },
});
await commands.open();
const roomLink = new RoomLink({
  clock,
  log: log.child({ part: "bridge" }),
  siteId,
  roomId: room.id,
  devices,
  commands,
  broker: () => broker.address(SUPERVISOR),
});
roomLink.start();
shutdown.add("link to the room's broker", () => roomLink.close());

const tls = await tlsFor(config.tlsFolder);
const hubBroker = mqttAddressOf(config.hub.brokerUrl.reveal(), tls);
const hubBridge = new HubBridge({
  clock,
  log: log.child({ part: "bridge" }),
  siteId,
  room,
  bootId: bootId(),
  agentVersion: AGENT_VERSION,
  devices,
  outbox,
  roomBroker: () => broker.address(BRIDGE),
  hubBroker: () => hubBroker,
});
hubBridge.start();
shutdown.add("bridge", async () => {
  await hubBridge.close();
  await outbox.close();
});

const key = await openRoomKey(join(stateFolder, "keys", "room.pem"), roomKeyName(siteId, room.id));
const uplink = new Uplink({
  clock,
  log: log.child({ part: "uplink" }),
  hub: { ...config.hub, tls },
  takes: recording,
  verifierKey: formatVerifierKey(verifierOf(sha256, key)),
  door: dialledDoor(log),
});
shutdown.add("uplink", () => uplink.stop());

const here = new Room({
  clock,
  roomId: room.id,
  recording,
  memory,
  central: () => uplink.status(),
  onCentral: (listener) => uplink.onChange(listener),
});
const ownAddress = new OwnAddress({
  clock,
  log: log.child({ part: "access" }),
  stateFolder,
  room: create(RoomSchema, { ...room, siteId }),
  web: config.web,
});
await ownAddress.open();
ownAddress.sessions.busy = (userId) => recording.status().take?.startedBy.userId === userId;
shutdown.add("own address", () => ownAddress.close());
const implementations = [here.implementation, bridge(memory), ownAddress.forHub];
here.open();
shutdown.add("room", () => here.close());
uplink.start(implementations);

const server = await startGrpcServer({
  implementations,
  door: certificateDoor(log),
  host: "127.0.0.1",
  port: config.grpcPort,
  tls: { key: tls.key, cert: tls.cert, clientCa: tls.ca },
});
shutdown.add("gRPC", () => server.close());
const webPort = await ownAddress.serve([here.implementation]);
log.info({ grpcPort: server.port, webPort }, "the room is open");
