import { create } from "@bufbuild/protobuf";
import { type RoleAtSite, type User, UserSchema } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { Op } from "sequelize";
import type { Database, Tx, View } from "../../platform/database/database.ts";
import type { Migration } from "../../platform/database/migrations.ts";
import { contains, type RowOf, Table } from "../../platform/database/table.ts";
import type { Page } from "../../platform/paging.ts";

const userColumns = {
  id: "text",
  login: "text",
  name: "text",
  disabled: "flag",
  home_site_id: "text",
  verifier: "text",
  pin_verifier: "text",
  narrowed_at_ms: "whole",
} as const;
const userTable = new Table("users", ["id"], userColumns);
const roleTable = new Table("users_roles", ["user_id", "role", "site_id"], { user_id: "text", role: "whole", site_id: "text" } as const);

export const migrations: readonly Migration[] = [
  {
    name: "0001-users",
    ddl: `CREATE TABLE users (id VARCHAR(36) NOT NULL PRIMARY KEY, login VARCHAR(64) NOT NULL UNIQUE, name VARCHAR(190) NOT NULL,
      disabled BOOLEAN NOT NULL, home_site_id VARCHAR(64) NOT NULL, verifier VARCHAR(190) NOT NULL)`,
  },
  {
    name: "0002-roles",
    ddl: `CREATE TABLE users_roles (user_id VARCHAR(36) NOT NULL, role BIGINT NOT NULL, site_id VARCHAR(64) NOT NULL,
      PRIMARY KEY (user_id, role, site_id))`,
  },
  { name: "0003-pin", ddl: "ALTER TABLE users ADD COLUMN pin_verifier VARCHAR(190) NOT NULL DEFAULT ''" },
  { name: "0004-narrowed", ddl: "ALTER TABLE users ADD COLUMN narrowed_at_ms BIGINT NOT NULL DEFAULT 0" },
];

/** A user as stored: with the password's Argon2id verifier, which never leaves this module, and the site that looks after the account. */
export interface StoredUser {
  user: User;
  homeSiteId: string;
  verifier: string;
  /** Given to rooms of the user's sites; empty: no PIN. */
  pinVerifier: string;
  /** When something was last taken from them (disabled, a role lost, the PIN replaced by another's hand), UTC ms; 0: never. */
  narrowedAtMs: number;
}

export class UsersStore {
  private readonly users;
  private readonly roles;

  constructor(database: Database) {
    this.users = userTable.in(database);
    this.roles = roleTable.in(database);
  }

  async all(view: View): Promise<StoredUser[]> {
    return this.withRoles(view, await this.users.all(view));
  }

  async get(view: View, id: string): Promise<StoredUser | undefined> {
    const row = await this.users.one(view, { id });
    return row && (await this.withRoles(view, [row]))[0];
  }

  async byLogin(view: View, login: string): Promise<StoredUser | undefined> {
    const row = await this.users.one(view, { login });
    return row && (await this.withRoles(view, [row]))[0];
  }

  /** By login; `search` is a part of login or name. */
  async list(homeSiteIds: readonly string[], search: string, page: Page): Promise<User[]> {
    const conditions = [
      { home_site_id: { [Op.in]: [...homeSiteIds] } },
      ...(page.after === undefined ? [] : [{ login: { [Op.gt]: page.after } }]),
      ...(search === ""
        ? []
        : [{ [Op.or]: [contains<typeof userColumns>("login", search.toLowerCase()), contains<typeof userColumns>("name", search)] }]),
    ];
    const rows = await this.users.all(undefined, {
      where: { [Op.and]: conditions },
      order: [["login", "ASC"]],
      limit: page.size + 1,
    });
    return (await this.withRoles(undefined, rows)).map(({ user }) => user);
  }

  async add(tx: Tx, { user, homeSiteId, verifier, pinVerifier, narrowedAtMs }: StoredUser): Promise<void> {
    const { id, login, name, disabled, roles } = user;
    await this.users.insert(tx, {
      id,
      login,
      name,
      disabled,
      home_site_id: homeSiteId,
      verifier,
      pin_verifier: pinVerifier,
      narrowed_at_ms: narrowedAtMs,
    });
    await this.roles.insertAll(
      tx,
      roles.map((role) => ({ user_id: id, role: role.role, site_id: role.siteId })),
    );
  }

  async disable(tx: Tx, id: string, narrowedAtMs: number): Promise<void> {
    await this.users.update(tx, { id }, { disabled: true, narrowed_at_ms: narrowedAtMs });
  }

  async setPin(tx: Tx, id: string, pinVerifier: string, narrowedAtMs: number): Promise<void> {
    await this.users.update(tx, { id }, { pin_verifier: pinVerifier, narrowed_at_ms: narrowedAtMs });
  }

  async setVerifier(tx: Tx, id: string, verifier: string): Promise<void> {
    await this.users.update(tx, { id }, { verifier, disabled: false });
  }

  async setRoles(tx: Tx, id: string, roles: readonly RoleAtSite[], narrowedAtMs: number): Promise<void> {
    await this.users.update(tx, { id }, { narrowed_at_ms: narrowedAtMs });
    await this.roles.remove(tx, { user_id: id });
    await this.roles.insertAll(
      tx,
      roles.map(({ role, siteId }) => ({ user_id: id, role, site_id: siteId })),
    );
  }

  private async withRoles(view: View, rows: readonly RowOf<typeof userColumns>[]): Promise<StoredUser[]> {
    const roles = await this.roles.all(view, { where: { user_id: { [Op.in]: rows.map(({ id }) => id) } } });
    return rows.map(({ id, login, name, disabled, home_site_id, verifier, pin_verifier, narrowed_at_ms }) => ({
      user: create(UserSchema, {
        id,
        login,
        name,
        disabled,
        hasPin: pin_verifier !== "",
        roles: roles.filter(({ user_id }) => user_id === id).map(({ role, site_id }) => ({ role, siteId: site_id })),
      }),
      homeSiteId: home_site_id,
      verifier,
      pinVerifier: pin_verifier,
      narrowedAtMs: narrowed_at_ms,
    }));
  }
}
