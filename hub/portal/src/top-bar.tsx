import { GlobalOutlined, KeyOutlined, LogoutOutlined } from "@ant-design/icons";
import { RoleSchema } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { lazy, Suspense, useState } from "react";
import { NavLink } from "react-router";
import { texts } from "./app.texts.ts";
import seal from "./look/seal.svg";
import { logOut, mayCall, useUser } from "./session.tsx";
import { useAsk } from "./ui/asking.ts";
import { enumText, setLanguage, useLanguage, useTexts } from "./ui/language.ts";
import { valueOf } from "./ui/seen.ts";

const SetOwnPin = lazy(async () => ({ default: (await import("./pages/users/users.dialogs.tsx")).SetOwnPin }));

/** Who is here, for which site, where else one may go. */
export function TopBar({ pages }: { pages: { path: string; label: string }[] }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const user = useUser();
  const [pinning, setPinning] = useState(false);
  const sites = valueOf(useAsk(SitesService.method.listSites, {}))?.sites ?? [];
  const mine = [...new Set(user.roles.map((it) => it.siteId))].map((id) => sites.find((site) => site.id === id)?.name ?? id);
  const roles = [...new Set(user.roles.map((it) => enumText(RoleSchema, it.role, language)))];
  return (
    <header className="top-bar">
      <a className="skip" href="#content">
        {t.toContent}
      </a>
      <span className="brand">
        <img src={seal} alt="" width="28" height="28" />
        {t.product}
      </span>
      <nav aria-label={t.menu}>
        {pages.map((it) => (
          <NavLink key={it.path} to={it.path} data-testid={`nav${it.path.replace("/", "-")}`}>
            {it.label}
          </NavLink>
        ))}
      </nav>
      <span className="who" data-testid="who">
        <b>{user.name}</b> {roles.join(" · ")}
        <small data-testid="site">{mine.join(" · ")}</small>
      </span>
      {mayCall(user, UsersService.method.setPin) && (
        <button type="button" className="bar-button" title={t.pinHint} data-testid="own-pin" onClick={() => setPinning(true)}>
          <KeyOutlined /> {t.pin}
        </button>
      )}
      {pinning && (
        <Suspense>
          <SetOwnPin close={() => setPinning(false)} />
        </Suspense>
      )}
      <button
        type="button"
        className="bar-button"
        title={t.languageHint}
        data-testid="language"
        onClick={() => setLanguage(language === "zh" ? "en" : "zh")}
      >
        <GlobalOutlined /> {t.language}
      </button>
      <button type="button" className="bar-button" data-testid="log-out" onClick={() => void logOut().catch(() => undefined)}>
        <LogoutOutlined /> {t.logOut}
      </button>
    </header>
  );
}
