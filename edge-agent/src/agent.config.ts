import { fileURLToPath } from "node:url";
import { config, type ConfigOf, field } from "@xiezhi/base/config.ts";
import { z } from "zod";

const PORTAL = fileURLToPath(new URL("../../hub/portal/dist", import.meta.url));

const plainName = (about: string) =>
  z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "expected small letters, digits and dashes")
    .describe(about);

const TrackConfig = config({
  id: plainName("Names the track and its folder, such as cam-judge"),
  seat: plainName("The seat it looks at or belongs to"),
  label: field.text("What people call it"),
  media: plainName("Which of the device's media: main, or mic-1, mic-2 …"),
  small: plainName("The device's second stream for live tiles").optional(),
});

const DeviceConfig = config({
  id: plainName("Unique in the room"),
  driver: field.text("Driver id, such as onvif-camera"),
  name: field.text("What people call it"),
  /** Checked against the driver's own schema when the agent starts. */
  config: z.record(z.string(), z.unknown()),
  tracks: z.array(TrackConfig).describe("What of it is recorded"),
});

const SeatConfig = config({
  id: plainName("Unique in the room"),
  nameZh: field.text("Chinese name"),
  nameEn: field.text("English name"),
});

const MemberConfig = config({
  name: plainName("Login; a device's id where it is one"),
  kind: z.enum(["technician", "flow", "device"]).describe("What it may do: see everything and command, or speak in its own corner"),
  password: field.secret("Shown as *** everywhere"),
});

/** One room's agent, read once from its file (mode 600: devices' passwords stand in it). */
export const AgentConfig = config({
  siteId: plainName("The court or detention centre"),
  room: config({
    id: plainName("The room"),
    nameZh: field.text("Chinese name"),
    nameEn: field.text("English name"),
    seats: z.array(SeatConfig),
  }),
  stateFolder: field.folder("Spool, keys, sockets, logs: all that the agent keeps"),
  tlsFolder: field.folder("Key, certificate and authority of this room (provisioning/enrol)"),
  hub: config({
    host: field.text("Where the hub's agent port is"),
    port: field.int("The hub's agent port", { min: 1, max: 65_535 }),
    brokerUrl: field.secret("The hub's broker: mqtts://host:port; user and password in it only for another broker than the hub's own"),
  }),
  grpcPort: field.int("The agent's own gRPC port on loopback, TLS with client certificate; 0 finds a free one", {
    max: 65_535,
    default: 0,
  }),
  mqtt: config({
    port: field.int("The room's broker on loopback; 0: the port it had last, else a free one", { max: 65_535, default: 0 }),
    members: z.array(MemberConfig).describe("Who may come to the room's broker beside the agent").default([]),
  }).default({ port: 0, members: [] }),
  web: config({
    port: field.int("The room's own address on loopback: the pages, by PIN; 0 finds a free port", { max: 65_535, default: 0 }),
    instance: field.text("Name of this installation: small letters, digits, dashes; part of the cookie's name", { default: "xiezhi" }),
    portalFolder: field.folder("The built portal; the one of this checkout where absent", {
      default: PORTAL,
    }),
  }).default({ port: 0, instance: "xiezhi", portalFolder: PORTAL }),
  devices: z.array(DeviceConfig),
});
export type AgentConfig = ConfigOf<typeof AgentConfig>;
export type DeviceConfig = AgentConfig["devices"][number];
