/**
 * What is planned, out of the options: a model, how it is trained or generates, and the machine that is priced.
 *
 *   options ─▶ setup/ (as for a training, without data) ─▶ PlanJob ─▶ plan(), price() ─▶ Priced
 *
 * Not here: words for it (text.ts, figures.ts), curves (curves.ts).
 */
import { byteLm, InvalidConfig, plan, planGeneration, price, readMachine, type GenerationPlanOptions, type MachineSpec, type Model, type Plan, type PlanOptions, type Price } from '../../index.js';
import { flagOf, type OptionName, type Options } from '../options.js';
import { batchOf } from '../setup/batch.js';
import { setUpTransformer } from '../setup/job.js';
import { sourceOf } from '../setup/model.js';
import { makeOptimizer } from '../setup/optimizer.js';
import { precisionOf } from '../setup/precision.js';
import { refuse } from '../setup/rules.js';
import { checkSparsityOptions, sparsityOf } from '../setup/sparsity.js';

interface Planned {
  readonly model: Model;
  readonly machine: MachineSpec;
}
export type PlanJob = Planned & ({ readonly kind: 'training'; readonly options: PlanOptions } | { readonly kind: 'generation'; readonly options: GenerationPlanOptions });

/** A plan and what it costs. */
export interface Priced {
  readonly plan: Plan;
  readonly price: Price;
}

const sizes = { layers: 4, heads: 4, dim: 128, context: 128 } as const;
/** Tokens of a step, where no batch size is given: what large language models are trained with. */
const usualTokens = 2 ** 22;

/** As many samples as `usualTokens` are, dealt out evenly. */
const usualBatch = ({ tokensPerSample }: Model, numCsx: number): number => Math.max(1, Math.round(usualTokens / tokensPerSample / numCsx)) * numCsx;

const modelOf = async (options: Options): Promise<{ readonly model: Model; readonly isTransformer: boolean }> => {
  const source = await sourceOf(options);
  if (source !== null) return { model: (await setUpTransformer(options, source, sizes)).model, isTransformer: true };
  if (options.model !== 'byte-lm') throw new InvalidConfig({ what: options.model === undefined ? 'no model' : `a plan of --model ${options.model}`, hint: 'name a transformer or byte-lm with --model, or a Hugging Face config with --config' });
  const { context = 12, embed = 32, hidden = 256, layers = 2 } = options;
  return { model: byteLm({ context, embed, hidden, layers }), isTransformer: false };
};

/** Options that say how a model is trained. */
const trainingOnly = [
  'batchSize', 'microBatchSize', 'gradAccumSteps', 'optimizer', 'momentum', 'clipNorm', 'steps', 'recompute', 'sparsity', 'precision', 'activations', 'lossScale', 'stochasticRounding', 'dram',
] as const satisfies readonly OptionName[];

/** @throws InvalidConfig, InvalidModel, NotEmulated, CorruptFile */
export const planJobOf = async (options: Options, machine: MachineSpec): Promise<PlanJob> => {
  const { numCsx = 1, rectangle: wafer = 'whole', generate: generation, steps = 1, clipNorm, recompute, dram = machine.memoryX.dramBytes } = options, { wafer: spec } = machine;
  checkSparsityOptions(options);
  const { model, isTransformer } = await modelOf(options);
  if (generation !== undefined) {
    refuse(options, trainingOnly, `has no effect beside ${flagOf('generate')}`);
    const { prompts, promptTokens, newTokens } = generation;
    return { kind: 'generation', model, machine, options: { numCsx, prompts: Array.from({ length: prompts }, () => promptTokens), newTokens, wafer, spec } };
  }
  const { sparsity } = await sparsityOf(options, []);
  return {
    kind: 'training', model, machine,
    options: {
      numCsx, wafer, spec, steps, optimizer: makeOptimizer(options, steps, isTransformer), ...batchOf(options, usualBatch(model, numCsx), isTransformer), ...precisionOf(options),
      ...(sparsity === undefined ? {} : { sparsity }), ...(clipNorm === undefined ? {} : { clipNorm }), ...(recompute === undefined ? {} : { recompute }), dramBytes: dram,
    },
  };
};

export const machineOfOptions = ({ machine = 'wse2' }: Options): Promise<MachineSpec> => readMachine(machine);

/** @throws DoesNotFit naming what does not fit, and what a plan throws */
export const priced = (job: PlanJob): Priced => {
  const made = job.kind === 'training' ? plan(job.model, job.options) : planGeneration(job.model, job.options);
  return { plan: made, price: price(made.work, job.machine) };
};
