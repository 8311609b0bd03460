import { type ComponentType, useEffect } from "react";
import { type Door, doorOf } from "./doors";
import { Accounts } from "./pages/admin/accounts";
import { Waiting } from "./pages/admin/waiting";
import { Patients } from "./pages/doctor/patients";
import { Ask } from "./pages/ask";
import { Home } from "./pages/home";
import { Claims } from "./pages/insurer/claims";
import { Me } from "./pages/me";
import { Access } from "./pages/patient/access";
import { Journal } from "./pages/patient/journal";
import { Keys } from "./pages/patient/keys";
import { Overview } from "./pages/patient/overview";
import { Records } from "./pages/patient/records";
import { Requests } from "./pages/patient/requests";
import { Register } from "./pages/register";
import { SignIn } from "./pages/sign-in";
import { Decisions } from "./parts/decide";
import { Frame } from "./parts/frame";
import { Link } from "./parts/link";
import { usePlace } from "./router";
import { SessionProvider, useHere } from "./session";
import { ROLES } from "./words/names";

const PAGES: Record<string, ComponentType> = {
  "/patient": Overview,
  "/patient/records": Records,
  "/patient/requests": Requests,
  "/patient/access": Access,
  "/patient/journal": Journal,
  "/patient/keys": Keys,
  "/doctor": Patients,
  "/doctor/ask": Ask,
  "/doctor/me": Me,
  "/insurer": Claims,
  "/insurer/ask": Ask,
  "/insurer/me": Me,
  "/administrator": Waiting,
  "/administrator/accounts": Accounts,
};

export function App() {
  return (
    <SessionProvider>
      <Rooms />
    </SessionProvider>
  );
}

function Rooms() {
  const { path } = usePlace();
  const door = doorOf(path);
  const page = door?.pages.find(([at]) => at === path)?.[1];
  useEffect(() => {
    document.title = [page, door?.name, "Chartseal"].filter(Boolean).join(" · ");
  }, [page, door]);
  if (!door) return <Frame>{path === "/" ? <Home /> : <Nowhere />}</Frame>;
  return <Behind door={door} path={path} />;
}

function Behind({ door, path }: { door: Door; path: string }) {
  const { session } = useHere();
  if (!session) return <Frame><SignIn door={door} /></Frame>;
  if (!door.roles.includes(session.role)) return <Frame><WrongDoor door={door} /></Frame>;
  const Page = PAGES[path] ?? Nowhere;
  return (
    <Decisions>
      <Frame door={door} path={path}>
        <Page key={path} />
      </Frame>
    </Decisions>
  );
}

function WrongDoor({ door }: { door: Door }) {
  const { session } = useHere();
  if (session?.role === null) return <Decisions><Register door={door} /></Decisions>;
  const role = session?.role ? ROLES[session.role] : "";
  return (
    <>
      <h1 tabIndex={-1}>This is another door</h1>
      <p>
        Your wallet is registered as a {role}. This door is for: {door.name.toLowerCase()}.
      </p>
      <p><Link to="/">Choose another door</Link>, or sign out and come in with another wallet.</p>
    </>
  );
}

function Nowhere() {
  return (
    <>
      <h1 tabIndex={-1}>There is no such page</h1>
      <p><Link to="/">Back to the four doors</Link></p>
    </>
  );
}
