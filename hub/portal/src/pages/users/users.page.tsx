import { RoleSchema } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { type User, UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { Button, Popconfirm, Space, Table, Tag } from "antd";
import { useState } from "react";
import { mayCall, useUser } from "../../session.tsx";
import { askAgain, useAsk } from "../../ui/asking.ts";
import { useCommand } from "../../ui/command.ts";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { ListHead, More, useFilter, useRows } from "../../ui/list.tsx";
import { Failure, Shown } from "../../ui/shown.tsx";
import { CreateUser, ResetPin, SetRoles } from "./users.dialogs.tsx";
import { useSiteNames } from "./users.parts.tsx";
import { texts } from "./users.texts.ts";

/** Who may sign in and what they may do where; the buttons are those that the contract gives the reader's role. */
export default function UsersPage() {
  const t = useTexts(texts);
  const reader = useUser();
  const search = useFilter("search");
  const { pageSize, more } = useRows();
  const [dialog, setDialog] = useState<"create" | { what: "roles" | "pin"; user: User }>();
  const seen = useAsk(UsersService.method.listUsers, { search: search.settled, pageSize });
  const close = () => setDialog(undefined);
  const create = mayCall(reader, UsersService.method.createUser) ? { text: t.create, open: () => setDialog("create") } : undefined;
  return (
    <div className="page">
      <ListHead title={t.title} noun="user" search={search} searchHint={t.search} create={create} />
      <Shown of={seen} isEmpty={(it) => it.users.length === 0} empty={t.none}>
        {(it) => (
          <>
            <UserTable users={it.users} open={(what, user) => setDialog({ what, user })} />
            <More more={more} next={it.nextPageToken} />
          </>
        )}
      </Shown>
      {dialog === "create" && <CreateUser close={close} />}
      {typeof dialog === "object" && dialog.what === "roles" && <SetRoles user={dialog.user} close={close} />}
      {typeof dialog === "object" && dialog.what === "pin" && <ResetPin user={dialog.user} close={close} />}
    </div>
  );
}

function UserTable({ users, open }: { users: User[]; open: (what: "roles" | "pin", user: User) => void }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const reader = useUser();
  const siteName = useSiteNames();
  const disable = useCommand(UsersService.method.disableUser);
  return (
    <>
      <Failure error={disable.error} again={() => void disable.again().then(() => askAgain(UsersService))} />
      <Table<User>
        rowKey="id"
        pagination={false}
        dataSource={users}
        data-testid="user-table"
        columns={[
          { title: t.login, width: 140, render: (_, it) => <code data-testid={`user-${it.login}`}>{it.login}</code> },
          { title: t.name, dataIndex: "name", ellipsis: true },
          {
            title: t.roles,
            render: (_, it) =>
              it.roles.length === 0
                ? t.noRoles
                : it.roles.map(({ role, siteId }) => (
                    <Tag key={`${role} ${siteId}`} className="tag-wraps">
                      {enumText(RoleSchema, role, language)} · {siteName(siteId)}
                    </Tag>
                  )),
          },
          { title: t.state, width: 120, render: (_, it) => (it.disabled ? <strong className="refused">✕ {t.disabled}</strong> : t.active) },
          {
            width: 220,
            render: (_, it) =>
              it.id !== reader.id && (
                <Space>
                  {mayCall(reader, UsersService.method.setRoles) && (
                    <Button size="small" onClick={() => open("roles", it)} data-testid={`roles-${it.login}`}>
                      {t.setRoles}
                    </Button>
                  )}
                  {mayCall(reader, UsersService.method.resetPin) && !it.disabled && (
                    <Button size="small" onClick={() => open("pin", it)} data-testid={`pin-${it.login}`}>
                      {it.hasPin ? t.newPin : t.setPin}
                    </Button>
                  )}
                  {mayCall(reader, UsersService.method.disableUser) && !it.disabled && (
                    <Popconfirm
                      title={t.disableWhat(it.login)}
                      okText={t.disable}
                      cancelText={t.cancel}
                      okButtonProps={{ danger: true }}
                      onConfirm={() => void disable.run({ userId: it.id }).then(() => askAgain(UsersService))}
                    >
                      <Button size="small" danger data-testid={`disable-${it.login}`}>
                        {t.disable}
                      </Button>
                    </Popconfirm>
                  )}
                </Space>
              ),
          },
        ]}
      />
    </>
  );
}
