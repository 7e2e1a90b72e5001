import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readIfThere, writeDurably } from "@xiezhi/base/files.ts";
import type { Processes } from "@xiezhi/base/processes.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import type { MqttAddress } from "@xiezhi/rpc/mqtt/link.ts";
import type { AgentConfig } from "../agent.config.ts";
import type { RoomMember } from "./room-door.ts";

const PROGRAM = fileURLToPath(new URL("broker.main.ts", import.meta.url));
export const SUPERVISOR = "supervisor";
export const BRIDGE = "bridge";

export interface BrokerOptions {
  processes: Processes;
  stateFolder: string;
  siteId: string;
  roomId: string;
  mqtt: AgentConfig["mqtt"];
}

/** The room's own MQTT broker, run as a process; the agent's own password is made anew at each of its starts. */
export class RoomBroker {
  private readonly password = new Secret(randomBytes(24).toString("base64url"));
  private readonly options: BrokerOptions;
  private readonly portFile: string;

  constructor(options: BrokerOptions) {
    this.options = options;
    this.portFile = join(options.stateFolder, "broker", "port");
  }

  async start(): Promise<void> {
    const { processes, stateFolder, siteId, roomId, mqtt } = this.options;
    const file = join(stateFolder, "broker", "broker.json");
    const { password } = this;
    const own: RoomMember[] = [
      { name: SUPERVISOR, kind: "supervisor", password },
      { name: BRIDGE, kind: "bridge", password },
    ];
    const members = [...own, ...mqtt.members];
    const said = members.map((member) => ({ ...member, password: member.password.reveal() }));
    await writeDurably(file, JSON.stringify({ siteId, roomId, port: mqtt.port, portFile: this.portFile, members: said }));
    processes.start({ name: "broker", command: process.execPath, args: [PROGRAM, file], restart: "always" });
  }

  /** Where it listens, as it last said, for one of the agent's own logins; undefined before it has served. */
  async address(login: typeof SUPERVISOR | typeof BRIDGE): Promise<MqttAddress | undefined> {
    const port = Number(await readIfThere(this.portFile));
    return port > 0 ? { host: "127.0.0.1", port, username: login, password: this.password.reveal() } : undefined;
  }
}
