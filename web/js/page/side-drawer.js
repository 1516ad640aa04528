import { make } from "../dom.js";

// <side-drawer> shows one element over the page, from the right: the details of what is selected. It is modal, so the keyboard and
// screen readers stay in it. Escape, the button and a click beside it close it, and the focus returns to what opened it.
//
// The fragment of the address leads to what the drawer shows, as in /#events/42, so that it is a link, and "back" closes it. The element
// may have the methods show(status), called for each status while it is open, opened() and closed(), like a view.
export class SideDrawer extends HTMLElement {
  #title = make("h2", { id: "drawer-title" });
  #close = make("button", { "aria-label": "Close", title: "Escape" }, "✕");
  #body = make("div", { class: "body" });
  #dialog = /** @type {HTMLDialogElement} */ (make("dialog", { "aria-labelledby": "drawer-title" }, make("header", {}, this.#title, this.#close), this.#body));
  /** @type {DrawerContent | null} */
  #content = null;
  #fragment = "";
  /** @type {EventTarget | null} */
  #pressed = null; // where a click has begun: a selection of text may end beside the drawer
  /** @type {Element | null} */
  #opener = null;
  /** @type {object | null} */
  #status = null;

  connectedCallback() {
    if (this.#dialog.isConnected) return;
    this.append(this.#dialog);
    this.#close.addEventListener("click", () => this.close());
    this.#dialog.addEventListener("pointerdown", ({ target }) => { this.#pressed = target; });
    this.#dialog.addEventListener("click", ({ target }) => { if (target === this.#dialog && this.#pressed === target) this.close(); }); // its children cover the drawer
    this.#dialog.addEventListener("close", () => { if (!this.#dialog.open) this.#closed(); });
    addEventListener("hashchange", () => setTimeout(() => { if (this.#content && this.#fragment && location.hash !== `#${this.#fragment}`) this.close(); })); // unless the address has opened something else
  }

  // content is the element that the drawer shows; null while it is closed.
  get content() { return this.#content; }

  /**
   * open shows an element under a title, instead of the one that is shown. The fragment, such as "events/42", is set as that of the address.
   * @param {string} title
   * @param {DrawerContent} element
   * @param {string} [fragment]
   */
  open(title, element, fragment = "") {
    const replaced = this.#content;
    this.#title.textContent = title;
    this.#body.replaceChildren(element);
    this.#body.scrollTop = 0;
    if (!replaced) this.#opener = document.activeElement;
    [this.#content, this.#fragment] = [element, fragment];
    if (fragment && location.hash !== `#${fragment}`) location.hash = fragment;
    if (!this.#dialog.open) this.#dialog.showModal();
    if (replaced !== element) replaced?.closed?.();
    element.opened?.();
    if (this.#status) element.show?.(this.#status);
  }

  close() {
    this.#dialog.close();
    this.#closed();
  }

  /**
   * show passes a status on to what is shown.
   * @param {object} status
   */
  show(status) {
    this.#status = status;
    this.#content?.show?.(status);
  }

  #closed() {
    const content = this.#content;
    if (!content) return;
    this.#content = null;
    this.#body.replaceChildren();
    if (this.#fragment && location.hash === `#${this.#fragment}`) history.replaceState(null, "", `#${/** @type {import("./view-tabs.js").ViewTabs} */ (document.querySelector("view-tabs")).open}`);
    content.closed?.();
    // The dialog returns the focus by itself, but not to an element that was drawn anew.
    if (document.activeElement === document.body) {
      const opener = this.#opener?.isConnected ? this.#opener : document.querySelector('[role="tab"][aria-selected="true"]');
      if (opener instanceof HTMLElement || opener instanceof SVGElement) opener.focus();
    }
  }
}

/** @typedef {HTMLElement & {show?(status: object): void, opened?(): void, closed?(): void}} DrawerContent */

/** sideDrawer returns the drawer of the page. */
export const sideDrawer = () => /** @type {SideDrawer} */ (document.querySelector("side-drawer"));

customElements.define("side-drawer", SideDrawer);
