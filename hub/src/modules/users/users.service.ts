import { create } from "@bufbuild/protobuf";
import { newId } from "@xiezhi/base/ids.ts";
import { Role } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { type RoleAtSite, type User, UserSchema } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import type { Caller } from "@xiezhi/rpc/service.ts";
import { type Call, userIdOf } from "../../platform/call.ts";
import { isDuplicate, type Tx } from "../../platform/database/database.ts";
import type { Platform } from "../../platform/module.ts";
import { type PageRequest, paged, pageOf } from "../../platform/paging.ts";
import { sitesOf } from "@xiezhi/rpc/access/rights.ts";
import { Attempts } from "../../platform/sessions/attempts.ts";
import { hashPassword, passwordFits } from "@xiezhi/rpc/access/passwords.ts";
import type { Session } from "@xiezhi/rpc/access/live-sessions.ts";
import type { SitesService } from "../sites/sites.service.ts";
import { errors } from "./users.errors.ts";
import type { StoredUser, UsersStore } from "./users.store.ts";

const ADMINISTRATORS: readonly Role[] = [Role.SYSTEM_ADMINISTRATOR, Role.SECURITY_ADMINISTRATOR, Role.AUDIT_ADMINISTRATOR];

export interface NewUser {
  login: string;
  name: string;
  /** What they type, or the Argon2id verifier of it that was made elsewhere. */
  password: string | { verifier: string };
  roles: readonly Pick<RoleAtSite, "role" | "siteId">[];
}

/** Touched whenever who may sign in, or with what and as what, became another. */
export const USERS_TOPIC = "users";

export class UsersService {
  private readonly platform: Platform;
  private readonly store: UsersStore;
  private readonly sites: SitesService;
  private readonly attempts = new Attempts();
  /** Everybody, because each request asks who its caller is now; this process alone writes the table. */
  private readonly known = new Map<string, StoredUser>();

  constructor(platform: Platform, store: UsersStore, sites: SitesService) {
    this.platform = platform;
    this.store = store;
    this.sites = sites;
  }

  async load(): Promise<void> {
    for (const stored of await this.store.all(undefined)) this.known.set(stored.user.id, stored);
  }

  /** Who the session's user is now; undefined when disabled. */
  callerOf(session: Session): Caller | undefined {
    const user = this.known.get(session.userId)?.user;
    if (!user || user.disabled) return undefined;
    const { id, login, name, roles } = user;
    return { kind: "user", userId: id, login, name, sessionId: session.id, roles };
  }

  homeSiteOf(userId: string): string | undefined {
    return this.known.get(userId)?.homeSiteId;
  }

  async withLogin(login: string): Promise<User | undefined> {
    return (await this.store.byLogin(undefined, login))?.user;
  }

  /** Who may sign in by PIN at the site's rooms, each with their roles at that site. */
  withPinAt(siteId: string): { user: User; pinVerifier: string }[] {
    return [...this.known.values()].flatMap(({ user, pinVerifier }) => {
      const roles = user.roles.filter((role) => role.siteId === siteId);
      if (user.disabled || pinVerifier === "" || roles.length === 0) return [];
      return [{ user: create(UserSchema, { ...user, roles }), pinVerifier }];
    });
  }

  /** Whether something had been taken from the user by then, UTC ms; a room that was away could not know it. */
  narrowedBy(userId: string, atMs: number): boolean {
    const narrowedAtMs = this.known.get(userId)?.narrowedAtMs ?? 0;
    return narrowedAtMs > 0 && narrowedAtMs <= atMs;
  }

  /** A session for who knows the password. The same work, answer and slowing whether the login exists or not. */
  async logIn(call: Call, login: string, password: string): Promise<{ user: User; token: string; expiresAtMs: number }> {
    try {
      await this.attempts.mayTry(login, call.from);
      const stored = await this.store.byLogin(undefined, login);
      const fits = await passwordFits(password, stored?.verifier);
      if (!fits || !stored || stored.user.disabled) {
        await this.attempts.failed(login, call.from);
        throw errors.wrongPassword();
      }
      await this.attempts.succeeded(login, call.from);
      return await this.openSession(call, stored);
    } catch (error) {
      await this.platform.audit.refusal(call, { id: login, siteId: "" }, error);
      throw error;
    }
  }

  async logOut(call: Call): Promise<void> {
    const { caller } = call;
    if (caller.kind !== "user") return;
    await this.platform.change(call, { id: caller.userId, siteId: "" }, async (tx) => {
      await this.platform.sessions.end(tx, caller.sessionId);
      return {};
    });
  }

  whoAmI(caller: Caller): { user: User; expiresAtMs: bigint } {
    const stored = caller.kind === "user" ? this.known.get(caller.userId) : undefined;
    const session = caller.kind === "user" ? this.platform.sessions.byId(caller.sessionId) : undefined;
    if (!stored || !session) throw errors.notFound();
    return { user: stored.user, expiresAtMs: BigInt(session.expiresAtMs) };
  }

  async list(siteIds: readonly string[], request: PageRequest & { search: string }): Promise<{ users: User[]; nextPageToken: string }> {
    const page = pageOf(request);
    const { rows, nextPageToken } = paged(page, await this.store.list(siteIds, request.search, page), ({ login }) => login);
    return { users: rows, nextPageToken };
  }

  /** The account belongs to the site of its first role, else to the first site that its maker administers. */
  async create(call: Call, request: NewUser): Promise<User> {
    const allowed = call.method ? sitesOf(call.method, call.caller) : undefined;
    const homeSiteId = request.roles[0]?.siteId ?? allowed?.[0] ?? "";
    const user = create(UserSchema, {
      id: newId(this.platform.clock),
      login: request.login,
      name: request.name,
      roles: [...request.roles],
    });
    const stored = { user, homeSiteId, verifier: await verifierOf(request.password), pinVerifier: "", narrowedAtMs: 0 };
    const answer = await this.platform.change(call, { id: user.id, siteId: homeSiteId }, async (tx) => {
      await this.mayHold(tx, user.roles);
      if (allowed && user.roles.some(({ role }) => ADMINISTRATORS.includes(role))) throw errors.administratorByOthers();
      this.onlyAt(user.roles, allowed);
      if (await this.store.byLogin(tx, user.login)) throw errors.loginTaken(user.login);
      await this.store.add(tx, stored).catch((error: unknown) => {
        throw isDuplicate(error) ? errors.loginTaken(user.login) : error;
      });
      tx.afterCommit(() => this.know(stored));
      return { user };
    });
    return answer.user;
  }

  /** Ends every session of theirs; open streams end with them. */
  async disable(call: Call, userId: string): Promise<User> {
    const answer = await this.onOther(call, userId, async (tx, stored) => {
      const narrowedAtMs = this.platform.clock.nowMs();
      await this.store.disable(tx, userId, narrowedAtMs);
      await this.platform.sessions.endOfUser(tx, userId);
      return { ...stored, narrowedAtMs, user: create(UserSchema, { ...stored.user, disabled: true }) };
    });
    return answer.user;
  }

  /** Roles at the sites that the caller looks after become these; roles elsewhere stay. Who loses one must sign in again. */
  async setRoles(call: Call, userId: string, roles: readonly RoleAtSite[]): Promise<User> {
    const allowed = call.method ? sitesOf(call.method, call.caller) : undefined;
    const answer = await this.onOther(call, userId, async (tx, stored) => {
      this.onlyAt(roles, allowed);
      const kept = allowed ? stored.user.roles.filter(({ siteId }) => !allowed.includes(siteId)) : [];
      const next = create(UserSchema, { ...stored.user, roles: [...kept, ...roles] });
      await this.mayHold(tx, next.roles);
      const lost = stored.user.roles.some((had) => !next.roles.some(({ role, siteId }) => role === had.role && siteId === had.siteId));
      const narrowedAtMs = lost ? this.platform.clock.nowMs() : stored.narrowedAtMs;
      await this.store.setRoles(tx, userId, next.roles, narrowedAtMs);
      if (lost) await this.platform.sessions.endOfUser(tx, userId);
      return { ...stored, narrowedAtMs, user: next };
    });
    return answer.user;
  }

  /** A new password from the machine's own console, for who forgot it or was locked out; ends their sessions. */
  async resetPassword(call: Call, login: string, password: string): Promise<User> {
    const verifier = await hashPassword(password);
    const found = await this.store.byLogin(undefined, login);
    if (!found) throw errors.notFound();
    await this.platform.change(call, { id: found.user.id, siteId: found.homeSiteId }, async (tx) => {
      await this.store.setVerifier(tx, found.user.id, verifier);
      await this.platform.sessions.endOfUser(tx, found.user.id);
      tx.afterCommit(() => this.know({ ...found, verifier, user: create(UserSchema, { ...found.user, disabled: false }) }));
      return {};
    });
    return found.user;
  }

  /** One's own PIN; the password proves who asks, as slowly as a log-in. */
  async setPin(call: Call, password: string, pin: string): Promise<User> {
    const userId = userIdOf(call.caller);
    const stored = this.known.get(userId);
    if (!stored) throw errors.notFound();
    await this.attempts.mayTry(stored.user.login, call.from);
    if (!(await passwordFits(password, stored.verifier))) {
      await this.attempts.failed(stored.user.login, call.from);
      throw errors.wrongPassword();
    }
    return this.keepPin(call, stored, pin, stored.narrowedAtMs);
  }

  /** A PIN by another's hand: whoever had the old one has lost it. */
  async resetPin(call: Call, userId: string, pin: string): Promise<User> {
    const stored = this.known.get(userId);
    if (!stored) throw errors.notFound();
    return this.keepPin(call, stored, pin, stored.pinVerifier === "" ? stored.narrowedAtMs : this.platform.clock.nowMs());
  }

  private async keepPin(call: Call, { user, homeSiteId }: StoredUser, pin: string, narrowedAtMs: number): Promise<User> {
    if (isGuessable(pin)) throw errors.guessablePin();
    const pinVerifier = await hashPassword(pin);
    const answer = await this.platform.change(call, { id: user.id, siteId: homeSiteId }, async (tx) => {
      const stored = await this.store.get(tx, user.id);
      if (!stored) throw errors.notFound();
      await this.store.setPin(tx, user.id, pinVerifier, narrowedAtMs);
      const next = { ...stored, pinVerifier, narrowedAtMs, user: create(UserSchema, { ...stored.user, hasPin: true }) };
      tx.afterCommit(() => this.know(next));
      return { user: next.user };
    });
    return answer.user;
  }

  private know(stored: StoredUser): void {
    this.known.set(stored.user.id, stored);
    this.platform.hints.touch(USERS_TOPIC);
  }

  private async openSession(call: Call, { user, homeSiteId }: StoredUser): Promise<{ user: User; token: string; expiresAtMs: number }> {
    const caller: Caller = { kind: "user", userId: user.id, login: user.login, name: user.name, sessionId: "", roles: user.roles };
    return this.platform.change({ ...call, caller }, { id: user.id, siteId: homeSiteId }, async (tx) => {
      const { session, token } = await this.platform.sessions.open(tx, user.id, call.from);
      return { user, token, expiresAtMs: session.expiresAtMs };
    });
  }

  private async onOther(call: Call, userId: string, fn: (tx: Tx, stored: StoredUser) => Promise<StoredUser>): Promise<{ user: User }> {
    return this.platform.change(call, { id: userId, siteId: this.homeSiteOf(userId) ?? "" }, async (tx) => {
      if (userIdOf(call.caller) === userId) throw errors.notOnOneself();
      const stored = await this.store.get(tx, userId);
      if (!stored) throw errors.notFound();
      const next = await fn(tx, stored);
      tx.afterCommit(() => this.know(next));
      return { user: next.user };
    });
  }

  private onlyAt(roles: readonly { siteId: string }[], allowed: readonly string[] | undefined): void {
    const foreign = allowed && roles.find(({ siteId }) => !allowed.includes(siteId));
    if (foreign) throw errors.noSite(foreign.siteId);
  }

  private async mayHold(tx: Tx, roles: readonly { role: Role; siteId: string }[]): Promise<void> {
    for (const siteId of new Set(roles.map((role) => role.siteId))) if (!(await this.sites.site(tx, siteId))) throw errors.noSite(siteId);
    const held = new Set(roles.map(({ role }) => role).filter((role) => ADMINISTRATORS.includes(role)));
    if (held.size > 1) throw errors.administratorsExclude();
  }
}

/** One digit repeated, or each one more (or one less) than the one before. */
export function isGuessable(pin: string): boolean {
  const steps = new Set([...pin].slice(1).map((digit, at) => Number(digit) - Number(pin[at])));
  return steps.size === 1 && [-1, 0, 1].some((step) => steps.has(step));
}

function verifierOf(password: NewUser["password"]): Promise<string> {
  return typeof password === "string" ? hashPassword(password) : Promise.resolve(password.verifier);
}
