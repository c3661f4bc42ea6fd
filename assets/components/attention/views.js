// Every view by the name that a payload calls it.

import { AlignmentView } from "./alignment.js";
import { ArchitectureView } from "./architecture.js";
import { CardsView } from "./cards.js";
import { CausesView } from "./causes.js";
import { DecoderView } from "./decoder.js";
import { DimsView } from "./dims.js";
import { FieldView } from "./field.js";
import { FilmView } from "./film.js";
import { GridView } from "./grid.js";
import { HeatmapView } from "./heatmap.js";
import { LayerView } from "./layer.js";
import { LinksView } from "./links.js";
import { LogitView } from "./logit.js";
import { MasksView } from "./masks.js";
import { PairView } from "./pair.js";
import { PatchesView } from "./patches.js";
import { PositionsView } from "./positions.js";
import { RotationView } from "./rotation.js";
import { SchemesView } from "./schemes.js";
import { SourcesView } from "./sources.js";
import { SumView } from "./sum.js";
import { SwitchboardView } from "./switchboard.js";
import { StepsView } from "./steps.js";
import { TranslationView } from "./translation.js";

export const VIEWS = {
  alignment: AlignmentView,
  architecture: ArchitectureView,
  heatmap: HeatmapView,
  grid: GridView,
  layer: LayerView,
  links: LinksView,
  logit: LogitView,
  dims: DimsView,
  cards: CardsView,
  causes: CausesView,
  field: FieldView,
  film: FilmView,
  schemes: SchemesView,
  sum: SumView,
  switchboard: SwitchboardView,
  masks: MasksView,
  pair: PairView,
  patches: PatchesView,
  steps: StepsView,
  translation: TranslationView,
  sources: SourcesView,
  decoder: DecoderView,
  positions: PositionsView,
  rotation: RotationView,
};
