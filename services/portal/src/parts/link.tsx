import type { AnchorHTMLAttributes, MouseEvent } from "react";
import { go, type Looked } from "../router";

interface Props extends AnchorHTMLAttributes<HTMLAnchorElement> {
  to: string;
  looked?: Looked;
}

/** A link of this app. With a modifier key it is the browser's, which then opens the page without what was looked at. */
export function Link({ to, looked, onClick, ...rest }: Props) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(to, looked);
  };
  return <a href={to} onClick={follow} {...rest} />;
}
