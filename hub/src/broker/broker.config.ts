import { config, field } from "@xiezhi/base/config.ts";

/** What `broker.main.ts` is told in the JSON file that its argument names. */
export const BrokerConfig = config({
  host: field.text("Address that agents reach"),
  port: field.int("MQTT over mutual TLS; 0: the port it had last, else a free one", { max: 65_535 }),
  portFile: field.text("Where the port is written once the broker serves"),
  tlsFolder: field.folder("key.pem, cert.pem and ca.pem of the program hub"),
  logFile: field.optional(field.text("Where lines are appended; else stderr")),
});
