import type { Migration } from "../../platform/database/migrations.ts";

/** What is done in a room is stored in the room: its ledger comes back through `takes`, its devices through `devices`. */
export const migrations: readonly Migration[] = [];
