// Every view by the name that a payload calls it.

import { DimsView } from "./dims.js";
import { GridView } from "./grid.js";
import { HeatmapView } from "./heatmap.js";
import { LinksView } from "./links.js";

export const VIEWS = {
  heatmap: HeatmapView,
  grid: GridView,
  links: LinksView,
  dims: DimsView,
};
