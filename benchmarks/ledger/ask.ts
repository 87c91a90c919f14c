/**
 * What rows ask the model: a training as the vendor's configurations set it, planned and priced. Each question is worked out once.
 *
 *   Question ─plan()─▶ Plan ─price()─▶ Price        16-bit numbers with a scaled loss, AdamW, gradients clipped at 1: what the configurations of the logs say
 *
 * Not here: the questions (the files of rows).
 */
import { adamW, machines, plan, precision, price, type MachineSpec, type Model, type Plan, type PlanOptions, type Price } from '../../src/index.js';

export interface Question {
  readonly model: () => Model;
  readonly batchSize: number;
  /** 1 unless given. */
  readonly numCsx?: number;
  /** WSE-2 unless given. */
  readonly machine?: MachineSpec;
  readonly options?: Omit<PlanOptions, 'batchSize' | 'numCsx' | 'spec'>;
}

export interface Answer {
  readonly plan: Plan;
  readonly price: Price;
}

export const vendorOptions = { optimizer: adamW({ beta2: 0.95, weightDecay: 0.1 }), precision: precision({ weights: 'cbfloat16', activations: 'cbfloat16' }), clipNorm: 1 } as const;

const once = <Q extends object, A>(answer: (question: Q) => A): ((question: Q) => A) => {
  const known = new Map<Q, A>();
  return (question) => {
    const found = known.get(question);
    if (found !== undefined) return found;
    const made = answer(question);
    known.set(question, made);
    return made;
  };
};

/** The plan of a question, and its price. */
export const ask = once(({ model, batchSize, numCsx = 1, machine = machines.wse2, options = {} }: Question): Answer => {
  const planned = plan(model(), { ...vendorOptions, ...options, batchSize, numCsx, spec: machine.wafer });
  return { plan: planned, price: price(planned.work, machine) };
});

/** Flop a second by the arithmetic of the logs, 6 N + 12 L d s a token, as a share of all cores' 16-bit multiply-adds. */
export const shareOfPeak = (tokensPerSecond: number, flopPerToken: number, systems: number, { core, wafer }: MachineSpec): number =>
  (tokensPerSecond * flopPerToken) / (systems * wafer.coresPerWafer * core.macsPerCycleFp16 * 2 * wafer.clockHz);
