import { MinusCircleOutlined, PlusOutlined } from "@ant-design/icons";
import type { XiezhiError } from "@xiezhi/protos/errors.ts";
import { type Role, RoleSchema } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { type User, UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { Button, Form, Input, Modal, Select, Space } from "antd";
import type { ReactNode } from "react";
import { useUser } from "../../session.tsx";
import { askAgain } from "../../ui/asking.ts";
import { useCommand } from "../../ui/command.ts";
import { enumOptions, useLanguage, useTexts } from "../../ui/language.ts";
import { Failure } from "../../ui/shown.tsx";
import { useSiteNames } from "./users.parts.tsx";
import { texts } from "./users.texts.ts";

interface Roles {
  roles: { role: Role; siteId: string }[];
}

interface NewUser extends Roles {
  login: string;
  name: string;
  password: string;
}

export function CreateUser({ close }: { close: () => void }) {
  const t = useTexts(texts);
  const create = useCommand(UsersService.method.createUser);
  const required = [{ required: true, whitespace: true, message: t.required }];
  return (
    <Dialog<NewUser> title={t.create} command={create} run={(filled) => create.run(filled)} initial={{ roles: [] }} close={close}>
      <Form.Item name="login" label={t.login} extra={t.loginHint} rules={required}>
        <Input maxLength={32} autoComplete="off" data-testid="user-login" />
      </Form.Item>
      <Form.Item name="name" label={t.name} rules={required}>
        <Input maxLength={100} data-testid="user-name" />
      </Form.Item>
      <Form.Item name="password" label={t.password} extra={t.passwordHint} rules={required}>
        <Input.Password maxLength={200} autoComplete="new-password" data-testid="user-password" />
      </Form.Item>
      <RoleFields />
    </Dialog>
  );
}

/** Who loses a role must sign in again; roles at sites that the reader does not look after stay. */
export function SetRoles({ user, close }: { user: User; close: () => void }) {
  const t = useTexts(texts);
  const setRoles = useCommand(UsersService.method.setRoles);
  const held = user.roles.map(({ role, siteId }) => ({ role, siteId }));
  return (
    <Dialog<Roles>
      title={`${t.setRoles} · ${user.name}`}
      command={setRoles}
      run={({ roles }) => setRoles.run({ userId: user.id, roles })}
      initial={{ roles: held }}
      close={close}
    >
      <RoleFields />
    </Dialog>
  );
}

interface NewPin {
  pin: string;
}

/** For who forgot theirs or never had one; it ends what they have open at rooms. */
export function ResetPin({ user, close }: { user: User; close: () => void }) {
  const t = useTexts(texts);
  const reset = useCommand(UsersService.method.resetPin);
  return (
    <Dialog<NewPin>
      title={`${t.setPin} · ${user.name}`}
      command={reset}
      run={({ pin }) => reset.run({ userId: user.id, pin })}
      initial={{}}
      close={close}
    >
      <PinField />
    </Dialog>
  );
}

/** One's own; the password says that it is oneself. */
export function SetOwnPin({ close }: { close: () => void }) {
  const t = useTexts(texts);
  const set = useCommand(UsersService.method.setPin);
  return (
    <Dialog<NewPin & { password: string }> title={t.setPin} command={set} run={(filled) => set.run(filled)} initial={{}} close={close}>
      <Form.Item name="password" label={t.yourPassword} rules={[{ required: true, message: t.required }]}>
        <Input.Password maxLength={200} autoComplete="current-password" data-testid="own-password" />
      </Form.Item>
      <PinField />
    </Dialog>
  );
}

function PinField() {
  const t = useTexts(texts);
  return (
    <Form.Item name="pin" label={t.pin} extra={t.pinHint} rules={[{ required: true, pattern: /^[0-9]{6,12}$/, message: t.pinRefused }]}>
      <Input.Password maxLength={12} inputMode="numeric" autoComplete="off" data-testid="pin" />
    </Form.Item>
  );
}

interface DialogProps<T> {
  title: string;
  command: { busy: boolean; error: XiezhiError | undefined; again: () => Promise<unknown> };
  run: (filled: T) => Promise<unknown>;
  initial: Partial<T>;
  close: () => void;
  children: ReactNode;
}

/** A form that stays open until its change was taken. */
function Dialog<T extends object>({ title, command, run, initial, close, children }: DialogProps<T>) {
  const t = useTexts(texts);
  const closeIfTaken = async (answer: Promise<unknown>) => {
    if ((await answer) === undefined) return;
    await askAgain(UsersService);
    close();
  };
  return (
    <Modal open width={640} title={title} footer={null} onCancel={close}>
      <Form<T> layout="vertical" requiredMark={false} initialValues={initial} onFinish={(filled) => void closeIfTaken(run(filled))}>
        {children}
        <Failure error={command.error} again={() => void closeIfTaken(command.again())} />
        <div className="dialog-buttons">
          <Button onClick={close}>{t.cancel}</Button>
          <Button type="primary" htmlType="submit" loading={command.busy} data-testid="user-save">
            {t.save}
          </Button>
        </div>
      </Form>
    </Modal>
  );
}

function RoleFields() {
  const t = useTexts(texts);
  const language = useLanguage();
  const siteName = useSiteNames();
  const mine = [...new Set(useUser().roles.map(({ siteId }) => siteId))];
  const required = [{ required: true, message: t.required }];
  return (
    <Form.Item label={t.roles}>
      <Form.List name="roles">
        {(fields, { add, remove }) => (
          <>
            {fields.map((field) => (
              <Space.Compact key={field.key} block>
                <Form.Item name={[field.name, "role"]} rules={required} noStyle>
                  <Select
                    className="half"
                    options={enumOptions(RoleSchema, language)}
                    placeholder={t.role}
                    data-testid={`role-${field.name}`}
                  />
                </Form.Item>
                <Form.Item name={[field.name, "siteId"]} rules={required} noStyle>
                  <Select className="half" options={mine.map((id) => ({ value: id, label: siteName(id) }))} placeholder={t.site} />
                </Form.Item>
                <Button icon={<MinusCircleOutlined />} aria-label={t.removeRole} onClick={() => remove(field.name)} />
              </Space.Compact>
            ))}
            <Button type="dashed" icon={<PlusOutlined />} onClick={() => add({ siteId: mine[0] })} data-testid="role-add">
              {t.addRole}
            </Button>
          </>
        )}
      </Form.List>
    </Form.Item>
  );
}
