import { type ComponentType, type ReactNode, Suspense, use, useEffect, useSyncExternalStore } from "react";
import type { Role } from "./api/types";
import { type Door, doorOf } from "./doors";
import { Home } from "./pages/home";
import { SignIn } from "./pages/sign-in";
import { Frame } from "./parts/frame";
import { Link } from "./parts/link";
import { Loading } from "./parts/load";
import { usePlace } from "./router";
import { SessionProvider, useHere } from "./session";
import { language, onLanguage, t } from "./words/language";
import { ROLES } from "./words/names";

/** What lies behind a door, loaded when somebody comes in: its pages by path, and what they sign with. */
interface Rooms {
  pages: Record<string, ComponentType>;
  Decisions: ComponentType<{ children: ReactNode }>;
  Register: ComponentType<{ door: Door }>;
}

const ROOMS: Record<string, () => Promise<Rooms>> = {
  "/patient": () => import("./pages/patient/rooms"),
  "/doctor": () => import("./pages/doctor/rooms"),
  "/insurer": () => import("./pages/insurer/rooms"),
  "/administrator": () => import("./pages/admin/rooms"),
};
const loaded = new Map<string, Promise<Rooms>>();

function roomsOf(door: Door): Promise<Rooms> {
  const rooms = loaded.get(door.path) ?? ROOMS[door.path]!();
  loaded.set(door.path, rooms);
  return rooms;
}

export function App() {
  // Rendered again from here, in whole, when the language changes; who is signed in stays so.
  useSyncExternalStore(onLanguage, language);
  return (
    <SessionProvider>
      <Place />
    </SessionProvider>
  );
}

function Place() {
  const { path, visit } = usePlace();
  const door = doorOf(path);
  const page = door?.pages.find(([at]) => at === path)?.[1];
  useEffect(() => {
    document.title = [page && t(page), door && t(door.name), "Chartseal"].filter(Boolean).join(" · ");
  }, [page, door, language()]);
  if (!door) return <Frame>{path === "/" ? <Home /> : <Nowhere />}</Frame>;
  return <Behind door={door} path={path} visit={visit} />;
}

function Behind({ door, path, visit }: { door: Door; path: string; visit: number }) {
  const { session } = useHere();
  if (!session) return <Frame><SignIn door={door} /></Frame>;
  const within = door.roles.includes(session.role);
  return (
    <Frame {...(within ? { door, path } : {})}>
      <Suspense fallback={<Entering door={door} />}>
        {within ? <Room key={`${path} ${visit}`} door={door} path={path} /> : session.role === null ? <Stranger door={door} /> : <WrongDoor door={door} role={session.role} />}
      </Suspense>
    </Frame>
  );
}

/** With a heading, so that who listens knows where they are before the page is there. */
function Entering({ door }: { door: Door }) {
  return (
    <>
      <h1 tabIndex={-1}>{t(door.name)}</h1>
      <Loading />
    </>
  );
}

function Room({ door, path }: { door: Door; path: string }) {
  const { pages, Decisions } = use(roomsOf(door));
  const Page = pages[path] ?? Nowhere;
  return <Decisions><Page /></Decisions>;
}

/** A wallet without an account registers at the door it came to. */
function Stranger({ door }: { door: Door }) {
  const { Register, Decisions } = use(roomsOf(door));
  return <Decisions><Register door={door} /></Decisions>;
}

function WrongDoor({ door, role }: { door: Door; role: Role }) {
  return (
    <>
      <h1 tabIndex={-1}>{t("This is another door")}</h1>
      <p>{t("Your wallet is registered as: {role}. This door is for: {door}.", { role: t(ROLES[role]), door: t(door.name) })}</p>
      <p>{t("Sign out to come in with another wallet.")}</p>
      <p><Link to="/">{t("Choose another door")}</Link></p>
    </>
  );
}

function Nowhere() {
  return (
    <>
      <h1 tabIndex={-1}>{t("There is no such page")}</h1>
      <p><Link to="/">{t("Back to the four doors")}</Link></p>
    </>
  );
}
