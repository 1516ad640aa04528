import { ComponentDetail } from "./component-detail.js";
import { FigureDetail } from "./figure-detail.js";

// The addresses of drawers that belong to no view: /#component/KIND/NAME, /#figure/NAME.

/** @param {import("../page/side-drawer.js").SideDrawer} drawer */
export function followAddresses(drawer) {
  const follow = () => {
    const fragment = location.hash.slice(1);
    const [, kind, name] = fragment.match(/^component\/(source|transform|route|sink)\/(\w+)$/) ?? [];
    const [, figure] = fragment.match(/^figure\/(gaps|dropped|parked|books)$/) ?? [];
    if (name) drawer.open(`${kind} ${name}`, new ComponentDetail(kind, name), fragment);
    if (figure) {
      const detail = new FigureDetail(figure);
      drawer.open(detail.heading, detail, fragment);
    }
  };
  addEventListener("hashchange", follow);
  follow();
}
