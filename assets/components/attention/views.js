// Every view by the name that a payload calls it.

import { DimsView } from "./dims.js";
import { GridView } from "./grid.js";
import { HeatmapView } from "./heatmap.js";
import { LinksView } from "./links.js";
import { SwitchboardView } from "./switchboard.js";
import { StepsView } from "./steps.js";

export const VIEWS = {
  heatmap: HeatmapView,
  grid: GridView,
  links: LinksView,
  dims: DimsView,
  switchboard: SwitchboardView,
  steps: StepsView,
};
