/**
 * A training's Work from its tally: passes, updates, memory and the wafer's map in one piece of plain data.
 *
 * Not here: counting (tally.ts), the plan's choices (plan.ts).
 */
import type { Optimizer } from '../model/optimizer.js';
import type { Work } from '../trace/work.js';
import type { PlanContext } from './context.js';
import type { WorkTally } from './tally.js';
import { stateOf } from './updates.js';

export interface WorkOptions {
  readonly optimizer: Optimizer;
  /** Updates wait for the whole step's verdict. */
  readonly verdict: boolean;
}

export const trainingWork = ({ program, batch, fanIn }: PlanContext, tally: WorkTally, { optimizer, verdict }: WorkOptions): Work => {
  const { model, rectangle, sram, numbers } = program, state = stateOf(program, optimizer, tally.isDense ? null : (parameter) => tally.storedOf(parameter));
  return {
    format: 1, kind: 'training', steps: tally.steps, model: { name: model.name, parameterCount: model.parameterCount }, samples: batch.samples, tokens: batch.samples * batch.tokensPerSample,
    numCsx: batch.numCsx, fanIn, rectangle, numbers, sram, stateBytes: state.bytes, verdict, layers: model.layers.map(({ name }) => name),
    ...tally.passes(), updates: state.updates, updateCounts: tally.updateCounts, map: tally.map(),
  };
};
