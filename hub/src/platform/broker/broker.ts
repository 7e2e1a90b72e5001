import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { type DeviceName, everyRoomFilter, type Leaf, readTopic, topicOf } from "@xiezhi/protos/topics.ts";
import { type MqttAddress, MqttLink } from "@xiezhi/rpc/mqtt/link.ts";

type Heard = (name: DeviceName, text: string, retained: boolean) => void;

/** The hub's place at its MQTT broker: modules hear a leaf of every room and speak to devices. */
export class Broker {
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly hearers = new Map<Leaf, Heard>();
  private readonly topics = new Map<string, (text: string) => void>();
  private readonly losses: (() => void)[] = [];
  private link: MqttLink | undefined;

  constructor(clock: Clock, log: Log) {
    this.clock = clock;
    this.log = log;
  }

  /** Before `start`; one hearer a leaf. */
  hear(leaf: Leaf, heard: Heard): void {
    this.hearers.set(leaf, heard);
  }

  /** Before `start`: a topic that is no room's, such as the broker's own. */
  hearTopic(topic: string, heard: (text: string) => void): void {
    this.topics.set(topic, heard);
  }

  /** Called when the broker is lost: nothing that was heard of it is proven any more. */
  onLost(listener: () => void): void {
    this.losses.push(listener);
  }

  start(address: () => MqttAddress | undefined | Promise<MqttAddress | undefined>): void {
    const filters = [...[...this.hearers.keys()].map((leaf) => everyRoomFilter(leaf)), ...this.topics.keys()];
    this.link = new MqttLink({
      clock: this.clock,
      log: this.log,
      clientId: "hub",
      address,
      filters,
      heard: (topic, text, retained) => this.heard(topic, text, retained),
      gone: () => {
        for (const listener of this.losses) listener();
      },
    });
    this.link.start();
  }

  async close(): Promise<void> {
    await this.link?.close();
  }

  /** Rejects when the broker can't be reached now: nothing is queued. */
  async say(name: DeviceName, leaf: "command" | "taken", text: string): Promise<void> {
    if (!this.link) throw new Error("not connected to the broker");
    await this.link.publish(topicOf(name, leaf), text);
  }

  private heard(topic: string, text: string, retained: boolean): void {
    const named = readTopic(topic);
    if (named) this.hearers.get(named.leaf)?.(named, text, retained);
    else this.topics.get(topic)?.(text);
  }
}
