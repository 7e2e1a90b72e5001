import { type ConfigOf, config, field } from "@xiezhi/base/config.ts";

/**
 * What `main.ts` is told in the JSON file that its argument names. DATABASE_URL, STORE_URL, BACKUP_URL and BROKER_URL of the
 * environment take the place of the four keys, so that no password need stand in a file that others read.
 */
export const HubConfig = config({
  instance: field.text("Name of this installation: small letters, digits, dashes; part of the cookie's name", { default: "xiezhi" }),
  stateFolder: field.folder("Database, sockets, gathered takes, derived copies: all that the hub keeps"),
  tlsFolder: field.folder("key.pem, cert.pem and ca.pem of the program hub"),
  portalHost: field.text("Address of the portal; only loopback is served without TLS", { default: "127.0.0.1" }),
  portalPort: field.int("Port of the portal; 0 finds a free one", { max: 65_535 }),
  portalTlsFolder: field.optional(field.folder("key.pem and cert.pem of the portal")),
  portalNames: field.list("Names under which people reach the portal, beside localhost", field.text("A host name")).default([]),
  portalFolder: field.optional(field.folder("The built portal; the one of this checkout where absent")),
  grpcHost: field.text("Address of gRPC, always TLS", { default: "127.0.0.1" }),
  grpcPort: field.int("Port of gRPC; 0 finds a free one", { max: 65_535 }),
  agentHost: field.text("Address that agents reach, mutual TLS", { default: "127.0.0.1" }),
  agentPort: field.int("The one agent port; 0 finds a free one", { max: 65_535 }),
  databaseUrl: field.optional(field.text("sqlite:<path> or mysql://…; hub.db in the state folder where absent")),
  storeUrl: field.optional(field.url("First durable copy, file:/…; `store` in the state folder where absent")),
  backupUrl: field.optional(field.url("Second durable copy, file:/… on another disk; `backup` in the state folder where absent")),
  brokerHost: field.text("Address of the hub's own MQTT broker, mutual TLS", { default: "127.0.0.1" }),
  brokerPort: field.int("Port of the hub's own MQTT broker; 0: the one it had last, else a free one", { max: 65_535, default: 0 }),
  brokerUrl: field.optional(field.secret("Another MQTT 3.1.1 broker than the hub's own: mqtts://[user:password@]host:port")),
  bootstrapFile: field.optional(field.text("Sites, rooms and users that must exist (bootstrap.ts)")),
  readyFile: field.optional(field.text('Written once all is served: {"portalPort","grpcPort","agentPort","brokerPort"}')),
  logFile: field.optional(field.text("Where lines are appended; else stderr")),
});
export type HubConfig = ConfigOf<typeof HubConfig>;
