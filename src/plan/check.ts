/** What a plan is asked, checked before anything is compiled. Not here: the model's, the optimizer's and the precision's own checks (model/). */
import { logitsChoices, recomputes } from '../compiler/program.js';
import { numCsxMax } from '../spec/wafer.js';
import { InvalidConfig } from '../util/errors.js';
import type { PlanOptions } from './types.js';

export const whole = (where: string, value: unknown, low: number, high = Number.MAX_SAFE_INTEGER): void => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) {
    throw new InvalidConfig({ what: `${where} of a plan`, where, value, limit: high === Number.MAX_SAFE_INTEGER ? `a whole number ≥ ${low}` : `a whole number from ${low} to ${high}` });
  }
};
const oneOf = (where: string, value: unknown, choices: readonly unknown[]): void => {
  if (!choices.includes(value)) throw new InvalidConfig({ what: `${where} of a plan`, where, value, limit: choices.join(', ') });
};

export const checkCluster = ({ numCsx = 1, fanIn = 4, wafer = 'whole' }: Pick<PlanOptions, 'numCsx' | 'fanIn' | 'wafer'>): void => {
  whole('numCsx', numCsx, 1, numCsxMax);
  oneOf('fanIn', fanIn, [2, 4]);
  if (typeof wafer === 'string') oneOf('wafer', wafer, ['whole', 'auto']);
};

/** Most samples of a batch whose deal is drawn up range by range. */
const batchSizeMax = 2 ** 30;

/** @throws InvalidConfig */
export const checkPlanOptions = (o: PlanOptions): void => {
  checkCluster(o);
  whole('batchSize', o.batchSize, 1, batchSizeMax);
  whole('steps', o.steps ?? 1, 1);
  if (o.microBatchSize !== undefined && o.microBatchSize !== 'largest') whole('microBatchSize', o.microBatchSize, 1);
  oneOf('recompute', o.recompute ?? 'auto', ['auto', ...recomputes]);
  oneOf('logits', o.logits ?? 'auto', ['auto', ...logitsChoices]);
  if (typeof o.sparsity === 'number' && !(o.sparsity >= 0 && o.sparsity < 1)) throw new InvalidConfig({ what: 'sparsity of a plan', where: 'sparsity', value: o.sparsity, limit: '0 to below 1', hint: 'give the share of positions that are absent' });
  if (o.clipNorm !== undefined && !(o.clipNorm > 0)) throw new InvalidConfig({ what: 'clipNorm of a plan', where: 'clipNorm', value: o.clipNorm, limit: 'above 0' });
  if (o.dramBytes !== undefined) whole('dramBytes', o.dramBytes, 0);
  whole('known.skippedSteps', o.known?.skippedSteps ?? 0, 0, o.steps ?? 1);
};
