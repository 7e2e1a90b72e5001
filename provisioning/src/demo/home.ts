import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "@xiezhi/base/clock.ts";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import { type Authority, createAuthority, issue, openAuthority } from "@xiezhi/enrol/authority.ts";
import type { CertificateSubject } from "@xiezhi/enrol/peer.ts";
import { cameraId, type DemoEncoder, type DemoRoom } from "./court.ts";
import type { DevicesPlan } from "./devices.main.ts";
import type { Ports } from "./ports.ts";

/** Read from another room's configuration it says nothing: 72 random bits. */
const PASSWORD_BYTES = 9;

/** Where all state lies: `var/` of the clone, or XIEZHI_HOME. */
export function homeFolder(): string {
  return resolve(process.env["XIEZHI_HOME"] ?? fileURLToPath(new URL("../../../var", import.meta.url)));
}

function newPassword(): string {
  return randomBytes(PASSWORD_BYTES).toString("base64url");
}

export async function authorityOf(home: string): Promise<Authority> {
  const folder = join(home, "authority");
  const there = (await readIfThere(join(folder, "authority.cert.pem"))) !== undefined;
  return there ? openAuthority(folder) : createAuthority(folder, systemClock);
}

/** Issues once; a certificate that is there stays. */
export async function certificateIn(folder: string, authority: Authority, subject: CertificateSubject): Promise<void> {
  if ((await readIfThere(join(folder, "cert.pem"))) === undefined) await issue(authority, subject, folder, systemClock);
}

interface RoomAddresses {
  cameras: { port: number; rtspPort: number }[];
  encoders: number[];
}

/** Writes what one room's devices and agent read at their start; returns the devices' files and where the room is reached. */
export async function prepareRoom(
  home: string,
  room: DemoRoom,
  options: { ports: Ports; authority: Authority; hubPort: number; brokerUrl: string; clips: string; absentCamera?: string },
): Promise<{ devices: string; absent: string | undefined; mqtt: { port: number; password: string }; webPort: number }> {
  const { ports, authority } = options;
  const stateFolder = join(home, "agents", room.id);
  const tlsFolder = join(stateFolder, "tls");
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  const names = ["localhost", "127.0.0.1"];
  await certificateIn(tlsFolder, authority, { kind: "room", siteId: room.siteId, roomId: room.id, names });
  const addresses: RoomAddresses = { cameras: [], encoders: [] };
  for (const { clip } of room.cameras)
    addresses.cameras.push({ port: await ports.of(`${room.id} ${clip} onvif`), rtspPort: await ports.of(`${room.id} ${clip} rtsp`) });
  for (const { id } of room.encoders) addresses.encoders.push(await ports.of(`${room.id} ${id} rtsp`));
  const login = await deviceLogin(join(home, "devices", `${room.id}.login.json`));
  const { password } = await deviceLogin(join(home, "devices", `${room.id}.mqtt.json`));
  const mqtt = { port: await ports.of(`${room.id} mqtt`), password };
  const webPort = await ports.of(`${room.id} web`);
  const agent = join(stateFolder, "agent.json");
  await writeDurably(
    agent,
    JSON.stringify(
      {
        siteId: room.siteId,
        room: { id: room.id, nameZh: room.nameZh, nameEn: room.nameEn, seats: room.seats },
        stateFolder,
        tlsFolder,
        hub: { host: "localhost", port: options.hubPort, brokerUrl: options.brokerUrl },
        grpcPort: await ports.of(`${room.id} grpc`),
        mqtt: { port: mqtt.port, members: [{ name: "technician", kind: "technician", password: mqtt.password }] },
        web: { port: webPort },
        devices: [...cameraConfigs(room, addresses, login), ...encoderConfigs(room, addresses, login)],
      },
      null,
      1,
    ),
  );
  const plan: DevicesPlan = {
    clips: options.clips,
    login,
    cameras: room.cameras.map((camera, at) => ({ name: camera.label, clip: camera.clip, ...addresses.cameras[at]! })),
    encoders: room.encoders.map(({ encoding, microphones }, at) => ({
      encoding,
      clips: microphones.map(({ clip }) => clip),
      port: addresses.encoders[at]!,
    })),
  };
  const absentPlan = { ...plan, cameras: plan.cameras.filter(({ clip }) => clip === options.absentCamera), encoders: [] };
  const presentPlan = { ...plan, cameras: plan.cameras.filter(({ clip }) => clip !== options.absentCamera) };
  const devices = join(home, "devices", `${room.id}.json`);
  const absent = options.absentCamera === undefined ? undefined : join(home, "devices", `${room.id}-absent.json`);
  await writeDurably(devices, JSON.stringify(presentPlan));
  if (absent !== undefined) await writeDurably(absent, JSON.stringify(absentPlan));
  return { devices, absent, mqtt, webPort };
}

async function deviceLogin(file: string): Promise<{ username: string; password: string }> {
  const known = await readIfThere(file);
  if (known !== undefined) return JSON.parse(known) as { username: string; password: string };
  const login = { username: "xiezhi", password: newPassword() };
  await writeDurably(file, JSON.stringify(login));
  return login;
}

type Login = { username: string; password: string };

function cameraConfigs(room: DemoRoom, { cameras }: RoomAddresses, login: Login): object[] {
  return room.cameras.map((camera, at) => {
    const { port, rtspPort } = cameras[at]!;
    const name = cameraId(camera).slice("camera-".length);
    return {
      id: cameraId(camera),
      driver: "onvif-camera",
      name: `${camera.label}摄像机`,
      config: { url: `http://127.0.0.1:${port}/onvif/device_service`, ...login, rtspPorts: [rtspPort] },
      tracks: [{ id: `cam-${name}`, seat: camera.seat, label: camera.label, media: "main", small: "small" }],
    };
  });
}

function encoderConfigs(room: DemoRoom, { encoders }: RoomAddresses, login: Login): object[] {
  return room.encoders.map((encoder: DemoEncoder, at) => ({
    id: encoder.id,
    driver: "rtsp-audio",
    name: `话筒编码器 ${encoder.id.slice(-1).toUpperCase()}`,
    config: { url: `rtsp://127.0.0.1:${encoders[at]}/microphones`, ...login },
    tracks: encoder.microphones.map(({ seat, label }, index) => ({ id: `mic-${seat}`, seat, label, media: `mic-${index + 1}` })),
  }));
}
