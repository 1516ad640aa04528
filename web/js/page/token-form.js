import { make } from "../dom.js";

// <token-form> asks for a secret, and passes it on by the property send, which returns an error text, or "" if the secret is right.
class TokenForm extends HTMLElement {
  #note = make("p", { role: "status" });
  /** @type {(secret: string, user: string) => Promise<string> | string} */
  send = () => "";

  // ask shows the form, with a label for the secret. With a user, the form asks for a name, too.
  /**
   * @param {string} label
   * @param {{ user?: boolean }} [options]
   */
  ask(label, { user = false } = {}) {
    this.hidden = false;
    if (this.querySelector("form")) return;
    const secret = make("input", { type: "password", name: "secret", required: "", autocomplete: user ? "current-password" : "off", size: 28 });
    const name = make("input", { name: "user", autocomplete: "username", placeholder: "none: the secret", size: 16 });
    const form = make("form", {}, ...(user ? [make("label", {}, "User ", name)] : []), make("label", {}, `${label} `, secret), make("button", { class: "primary" }, "Connect"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { value } = secret;
      secret.value = "";
      this.#note.textContent = await this.send(value.trim(), name.value.trim());
    });
    this.append(form, this.#note);
  }

  // end hides the form, and clears the input.
  end() {
    this.hidden = true;
    this.#note.textContent = "";
    this.querySelector("form")?.reset();
  }
}

customElements.define("token-form", TokenForm);
