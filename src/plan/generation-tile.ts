/** What the fullest tile does in one stage of a generation's step. Not here: sums over all tiles (generation.ts), trainings (tile-work.ts). */
import type { Stage } from '../cluster/generation-layout.js';
import type { TileWork } from '../trace/work.js';
import type { PlanContext } from './context.js';

/** `lanes`: of the fullest row; `places`: that a lane sees on average; `wavelets`: of all weights of the stage. */
export const generationTile = (context: PlanContext, stage: Stage, lanes: number, places: number, wavelets: number): TileWork => {
  const { program } = context, norms = stage.kind === 'norm' ? [stage.norm] : stage.kind === 'features' ? stage.norms : [];
  let vectors = 0, rowVectors = 0, elementVectors = 0;
  for (const number of norms) {
    const plan = program.streamed[number];
    if (plan?.kind !== 'norm') continue;
    elementVectors += (plan.centered ? 3 : 2) * context.fullest(plan.x);
    if (context.columns(plan.x) > 1) rowVectors += plan.centered ? 4 : 2;
  }
  const plan = stage.kind === 'features' && stage.linear !== null ? program.streamed[stage.linear] : undefined;
  if (plan !== undefined) {
    vectors += context.fullest(plan.x) * plan.outputs;
    if (context.columns(plan.x) > 1) rowVectors += plan.outputs;
    if (plan.bias !== null) elementVectors += context.fullestOf(plan.outputs);
  }
  if (stage.kind === 'features') elementVectors += stage.locals.length * context.fullestOf(stage.features);
  if (stage.kind === 'rotary') elementVectors += context.fullestOf((stage.step.heads + stage.step.kvHeads) * stage.step.headSize);
  if (stage.kind === 'attention') {
    const a = program.attentions[stage.attention];
    if (a !== undefined) {
      const own = context.fullest(a.o);
      vectors += Math.ceil(2 * own * places);
      elementVectors += own + Math.ceil((a.heads * places * own) / (a.heads * a.headSize));
    }
  }
  const share = wavelets / Math.max(1, context.program.rectangle.cols);
  return {
    vectors, macs: vectors * lanes, rowVectors, rowValues: rowVectors * lanes, columnValues: 0, elements: elementVectors * lanes, elementVectors, tasks: vectors + rowVectors + 1,
    waveletsSouth: share, waveletsEast: rowVectors * lanes, waveletsNorth: 0,
  };
};
