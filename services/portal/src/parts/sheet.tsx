import type { ReactNode } from "react";
import { Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";

interface Props {
  title: string;
  /** Neither Escape nor anything else closes it. */
  busy: boolean;
  close: () => void;
  children: ReactNode;
}

/** Lies over the page: what is behind can be neither reached nor read, and the focus goes back to where it came from. */
export function Sheet({ title, busy, close, children }: Props) {
  return (
    <ModalOverlay className="over" isOpen isKeyboardDismissDisabled={busy} onOpenChange={(open) => !open && close()}>
      <Modal>
        <Dialog className="sheet">
          <Heading slot="title" level={2}>{title}</Heading>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
