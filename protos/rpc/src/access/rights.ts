import { type DescMethod, getOption, type Message } from "@bufbuild/protobuf";
import { defineErrors } from "@xiezhi/protos/errors.ts";
import {
  type Role,
  RoleSchema,
  type Rights as RightsOption,
  rights as rightsOption,
} from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { text as textOption } from "@xiezhi/protos/gen/xiezhi/texts/v1/texts_pb.js";
import { rpcErrors } from "../rpc.errors.ts";
import type { Caller } from "../service.ts";

/**
 * Where an object stands, by the request's field that names it. A module gives one for each noun of its own: the site, or
 * undefined where there is no such object; then the answer is the same as for one of a foreign site.
 */
export interface Scope {
  siteOf(id: string): Promise<string | undefined>;
  /** NOT_FOUND of this noun. */
  notFound(): Error;
}
export type Scopes = Readonly<Record<string, Scope>>;

const errors = defineErrors("RIGHTS", {
  roleNeeded: (roles: { zh: string; en: string; ids: string }) => ({
    code: "PERMISSION_DENIED",
    reason: "ROLE_NEEDED",
    zh: `需要以下角色之一：${roles.zh}`,
    en: `one of these roles is needed: ${roles.en}`,
    details: { roles: roles.ids },
  }),
});

/** Enforces what each method's options say: role × method × object's site. */
export class Rights {
  private readonly scopes = new Map<string, Scope>();

  add(scopes: Scopes): void {
    for (const [field, scope] of Object.entries(scopes)) {
      if (this.scopes.has(field)) throw new Error(`two modules own ${field}`);
      this.scopes.set(field, scope);
    }
  }

  /** Before the handler. Throws UNAUTHENTICATED, PERMISSION_DENIED or NOT_FOUND. */
  async authorize(method: DescMethod, request: Message, caller: Caller): Promise<void> {
    const rights = rightsOf(method);
    if (rights.open) return;
    if (caller.kind === "nobody") throw rpcErrors.signInFirst();
    if (rights.program) {
      if (caller.kind !== "program") throw rpcErrors.programsOnly();
      return;
    }
    if (caller.kind !== "user") throw errors.roleNeeded(namesOf(rights.roles));
    if (rights.everyone) return;
    if (!caller.roles.some(({ role }) => rights.roles.includes(role))) throw errors.roleNeeded(namesOf(rights.roles));
    const id = objectIn(method, request);
    if (id !== "") await this.atObject(rights, rights.object, id, caller);
  }

  /** Inside a change: the object's site as the transaction sees it. */
  atSite(method: DescMethod, siteId: string, caller: Caller): void {
    const rights = rightsOf(method);
    if (rights.open || rights.everyone) return;
    if (!sitesOf(method, caller).includes(siteId)) throw errors.roleNeeded(namesOf(rights.roles));
  }

  /** Field names that methods use for objects; each needs an owner. */
  owns(field: string): boolean {
    return this.scopes.has(field);
  }

  private async atObject(rights: RightsOption, field: string, id: string, caller: Caller & { kind: "user" }): Promise<void> {
    const scope = this.scopes.get(field);
    if (!scope) throw new Error(`no module owns the object field ${field}`);
    const siteId = await scope.siteOf(id);
    const here = caller.roles.filter((role) => role.siteId === siteId);
    if (siteId === undefined || here.length === 0) throw scope.notFound();
    if (!here.some(({ role }) => rights.roles.includes(role))) throw errors.roleNeeded(namesOf(rights.roles));
  }
}

/** The sites at which the caller holds a role that the method asks for: what its lists may show. */
export function sitesOf(method: DescMethod, caller: Caller): string[] {
  if (caller.kind !== "user") return [];
  const rights = rightsOf(method);
  const counting = rights.everyone ? caller.roles : caller.roles.filter(({ role }) => rights.roles.includes(role));
  return [...new Set(counting.map(({ siteId }) => siteId))];
}

export function rightsOf(method: DescMethod): RightsOption {
  return getOption(method, rightsOption);
}

/** `xiezhi.cases.v1.CasesService/CreateCase` is `cases.CreateCase`: what an audit row says. */
export function actOf(method: DescMethod): string {
  const noun = method.parent.typeName.split(".")[1] ?? method.parent.typeName;
  return `${noun}.${method.name}`;
}

/** The id of the object that a request names; empty where the method has none. */
export function objectIn(method: DescMethod, request: Message): string {
  const field = rightsOf(method).object;
  if (field === "") return "";
  const desc = method.input.fields.find(({ name }) => name === field);
  if (!desc) throw new Error(`${method.name} has no field ${field}`);
  const value = (request as unknown as Record<string, unknown>)[desc.localName];
  return typeof value === "string" ? value : "";
}

function namesOf(roles: readonly Role[]): { zh: string; en: string; ids: string } {
  const values = roles.map((role) => RoleSchema.value[role]).filter((value) => value !== undefined);
  return {
    zh: values.map((value) => getOption(value, textOption).zh).join("、"),
    en: values.map((value) => getOption(value, textOption).en).join(", "),
    ids: values.map((value) => value.name.replace(/^ROLE_/, "")).join(","),
  };
}
