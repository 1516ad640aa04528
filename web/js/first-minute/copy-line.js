import { make } from "../dom.js";

// copyLine returns an element with a command and a button that copies it. A browser copies only on pages of https and of localhost:
// elsewhere the button selects the command.
/** @param {string} command */
export function copyLine(command) {
  const code = make("code", {}, command);
  const button = make("button", { "aria-label": `Copy: ${command}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      button.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return make("div", { class: "copy-line" }, code, button);
}
