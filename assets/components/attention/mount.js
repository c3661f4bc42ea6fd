// The way in: mount a payload on an element, update it in place, take it away.

import { bytesFromBase64, decodePayload } from "./decode.js";
import { element } from "./dom.js";
import { VIEWS } from "./views.js";

const mounted = new WeakMap();

/**
 * Draw a payload inside an element, or update what is drawn there.
 *
 * @param {Element | ShadowRoot} root where to draw; what was drawn there stays until the new is ready
 * @param {Uint8Array | string} message the bytes that Python packed, or their base64
 * @param {{setState: Function, trigger: Function}} host who is told of picks
 * @returns {Promise<Function>} takes everything away again
 */
export async function mount(root, message, host) {
  const here = mounted.get(root) || begin(root);
  here.ticket += 1;
  const { ticket } = here;
  const bytes = typeof message === "string" ? bytesFromBase64(message) : message;
  const payload = await decodePayload(bytes);
  if (ticket === here.ticket) draw(here, payload, host);
  return () => end(root, here);
}

function begin(root) {
  const node = element("div", { class: "tw" });
  const place = root.getRootNode();
  if (!place.adoptedStyleSheets.includes(sheet())) place.adoptedStyleSheets.push(sheet());
  root.append(node);
  const here = { root, node, ticket: 0, state: {}, view: null, name: "" };
  mounted.set(root, here);
  return here;
}

let styleSheet = null;

/** The style sheet, whose text the bundle adds as STYLES. */
function sheet() {
  if (!styleSheet) {
    styleSheet = new CSSStyleSheet();
    styleSheet.replaceSync(globalThis.attentionStyles);
  }
  return styleSheet;
}

function draw(here, payload, host) {
  if (here.name !== payload.view) {
    if (here.view) here.view.destroy();
    here.host = { ...host };
    here.view = new VIEWS[payload.view](here.node, here.host, here.state);
    here.name = payload.view;
  }
  Object.assign(here.host, host);
  here.view.update(payload);
  for (const node of [here.node, here.root.host || here.root]) {
    if (node.dataset) node.dataset.painted = payload.id;
  }
  performance.mark("attention-painted", { detail: payload.id });
}

function end(root, here) {
  here.ticket += 1;
  if (here.view) here.view.destroy();
  here.node.remove();
  if (mounted.get(root) === here) mounted.delete(root);
}
