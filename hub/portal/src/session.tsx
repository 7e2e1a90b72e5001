import { getOption } from "@bufbuild/protobuf";
import type { DescMethod } from "@bufbuild/protobuf";
import { useQuery } from "@tanstack/react-query";
import { rights, type Role } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { SignInWith, type User, UsersService, type WhereAmIResponse } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { createContext, type ReactNode, useContext } from "react";
import { call, queries, socket, whoAmIKey } from "./client.ts";
import { toXiezhiError } from "./failures.ts";

/** Who is signed in; `undefined` while that isn't known, `null`: nobody. */
const SessionContext = createContext<User | null | undefined>(undefined);

/** The server that this page came from: it stays the same one as long as the page stands. */
let here: WhereAmIResponse | undefined;

export function SessionProvider({ children }: { children: ReactNode }) {
  const query = useQuery({
    queryKey: whoAmIKey,
    queryFn: async ({ signal }) => {
      here ??= await call(UsersService.method.whereAmI, {}, signal);
      try {
        return (await call(UsersService.method.whoAmI, {}, signal)).user ?? null;
      } catch (thrown) {
        if (toXiezhiError(thrown).code === "UNAUTHENTICATED") return null;
        throw thrown;
      }
    },
    retry: true,
    retryDelay: 2_000,
    staleTime: 60_000,
  });
  return <SessionContext value={query.data}>{children}</SessionContext>;
}

export function useSession(): User | null | undefined {
  return useContext(SessionContext);
}

export function useUser(): User {
  const user = useSession();
  if (!user) throw new Error("this page is only shown to who is signed in");
  return user;
}

export async function logIn(login: string, password: string): Promise<void> {
  const { user } = await call(UsersService.method.logIn, { login, password });
  become(user ?? null);
}

export async function logOut(): Promise<void> {
  // First: the server ends its streams with the session, and the page would show and ask what it is refused.
  socket.close();
  try {
    await call(UsersService.method.logOut, {});
  } finally {
    become(null);
  }
}

/** Nothing that one person read stays for the next. */
function become(user: User | null): void {
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== whoAmIKey[0] });
  queries.setQueryData(whoAmIKey, user);
}

/** The room whose own address this page came from; undefined: the hub's. */
export function ownRoomId(): string | undefined {
  return here?.roomId || undefined;
}

export function asksForPin(): boolean {
  return here?.signInWith === SignInWith.PIN;
}

/**
 * Whether this server serves a method, and the contract lets one of the user's roles call it: what the menu offers. The server
 * decides, not this.
 */
export function mayCall(user: User, method: DescMethod): boolean {
  const served = here?.methods ?? [];
  if (served.length > 0 && !served.includes(`${method.parent.typeName}/${method.name}`)) return false;
  const stated = getOption(method, rights);
  return stated.everyone || user.roles.some((it) => stated.roles.includes(it.role));
}

/** Sites at which the user holds one of these roles. */
export function sitesOf(user: User, roles: readonly Role[]): string[] {
  return [...new Set(user.roles.filter((it) => roles.includes(it.role)).map((it) => it.siteId))];
}
