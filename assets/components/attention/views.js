// Every view by the name that a payload calls it.

import { GridView } from "./grid.js";
import { HeatmapView } from "./heatmap.js";

export const VIEWS = {
  heatmap: HeatmapView,
  grid: GridView,
};
