import { QueryClientProvider } from "@tanstack/react-query";
import { AuditsService } from "@xiezhi/protos/gen/xiezhi/audits/v1/audits_pb.js";
import { CasesService } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { DevicesService } from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { HearingsService } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { UsersService } from "@xiezhi/protos/gen/xiezhi/users/v1/users_pb.js";
import { ConfigProvider, Empty, Spin } from "antd";
import enUS from "antd/es/locale/en_US.js";
import zhCN from "antd/es/locale/zh_CN.js";
import { lazy, Suspense } from "react";
import { BrowserRouter, Navigate, Route, Routes, useLocation } from "react-router";
import { texts } from "./app.texts.ts";
import { queries } from "./client.ts";
import { antdTheme } from "./look/theme.ts";
import { mayCall, SessionProvider, useSession } from "./session.tsx";
import { TopBar } from "./top-bar.tsx";
import { Broken } from "./ui/broken.tsx";
import { useLanguage, useTexts } from "./ui/language.ts";

const LogInPage = lazy(() => import("./pages/login/login.page.tsx"));

/** Every page of the portal: where it lies, and the method that it can't do without. */
const pages = [
  { path: "/desk", name: "desk", method: RoomService.method.watchDesk, Page: lazy(() => import("./desks/clerk/clerk.desk.tsx")) },
  { path: "/cases", name: "cases", method: CasesService.method.listCases, Page: lazy(() => import("./pages/cases/cases.page.tsx")) },
  {
    path: "/hearings",
    name: "hearings",
    method: HearingsService.method.listHearings,
    Page: lazy(() => import("./pages/hearings/hearings.page.tsx")),
  },
  { path: "/takes", name: "takes", method: TakesService.method.listTakes, Page: lazy(() => import("./pages/takes/takes.page.tsx")) },
  { path: "/rooms", name: "rooms", method: DevicesService.method.watchDevices, Page: lazy(() => import("./pages/rooms/rooms.page.tsx")) },
  { path: "/users", name: "users", method: UsersService.method.listUsers, Page: lazy(() => import("./pages/users/users.page.tsx")) },
  { path: "/audits", name: "audits", method: AuditsService.method.listAudits, Page: lazy(() => import("./pages/audits/audits.page.tsx")) },
] as const;

export function App() {
  const language = useLanguage();
  return (
    <ConfigProvider locale={language === "zh" ? zhCN : enUS} theme={antdTheme} button={{ autoInsertSpace: false }}>
      <QueryClientProvider client={queries}>
        <SessionProvider>
          <BrowserRouter>
            <Suspense fallback={<Waiting />}>
              <Inside />
            </Suspense>
          </BrowserRouter>
        </SessionProvider>
      </QueryClientProvider>
    </ConfigProvider>
  );
}

function Inside() {
  const user = useSession();
  const t = useTexts(texts);
  const { pathname } = useLocation();
  if (user === undefined) return <Waiting text={t.serverAway} />;
  if (user === null) return <LogInPage />;
  const offered = pages.filter((it) => mayCall(user, it.method));
  return (
    <>
      <TopBar pages={offered.map((it) => ({ path: it.path, label: t[it.name] }))} />
      <main id="content" tabIndex={-1}>
        <Suspense fallback={<Waiting />}>
          <Broken key={pathname.split("/", 2)[1]}>
            <Routes>
              {pages.map(({ path, Page }) => (
                <Route key={path} path={`${path}/*`} element={<Page />} />
              ))}
              <Route path="/" element={<Home first={offered[0]?.path} />} />
              <Route path="*" element={<Empty description={t.noPage} />} />
            </Routes>
          </Broken>
        </Suspense>
      </main>
    </>
  );
}

function Home({ first }: { first: string | undefined }) {
  const t = useTexts(texts);
  return first ? <Navigate to={first} replace /> : <Empty data-testid="no-pages" description={t.nothingForRole} />;
}

function Waiting({ text }: { text?: string }) {
  return (
    <div className="waiting" role="status">
      <Spin size="large" />
      {text && <p className="waiting-text">{text}</p>}
    </div>
  );
}
