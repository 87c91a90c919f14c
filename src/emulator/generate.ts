/**
 * Generation as a user holds it: what is asked, checked; the plan; and a generation in progress.
 *
 *   cluster.generate(model, { weights, prompts, maxTokens }) ─▶ tokens$ (RxJS) · for await (const token of generation) · await generation.finished
 *
 * Tokens that nobody reads are kept, so a late reader misses none. Not here: the steps (cluster/coordinator/generation.ts), the cluster (cluster.ts).
 */
import { ReplaySubject, type Observable } from 'rxjs';
import type { GeneratedToken } from '../cluster/coordinator/generation.js';
import type { SamplingOptions } from '../cluster/coordinator/sampling.js';
import type { GenerationLayout } from '../cluster/generation-layout.js';
import { cacheBytes, panelsFor, planGeneration } from '../cluster/generation/plan.js';
import { storeGenerationWeights } from '../cluster/generation/weights.js';
import { planTree } from '../cluster/swarmx/tree.js';
import { compile } from '../compiler/compile.js';
import type { KernelPlan } from '../kernels/load.js';
import { slabTokens } from '../kernels/types.js';
import { checkRunnable } from '../model/build.js';
import { inputOf, isSequence, type Model } from '../model/graph.js';
import { specs } from '../spec/wafer.js';
import type { NamedTensor } from '../tensor/named.js';
import type { Counts } from '../trace/counts.js';
import { DoesNotFit, InvalidConfig, InvalidModel } from '../util/errors.js';
import { iterate } from './iterate.js';
import type { ClusterOptions } from './options.js';

export interface Prompt {
  /** At least one token. */
  readonly tokens: ArrayLike<number>;
  /** Keys the prompt's draws: with it, its text does not depend on its place among other prompts. Its place in the call unless given. */
  readonly id?: number;
}

export interface GenerateOptions {
  /** Every parameter of the model in graph order. */
  readonly weights: readonly NamedTensor[];
  readonly prompts: readonly Prompt[];
  /** New tokens of each prompt at most; with the prompt no more than the model's context. */
  readonly maxTokens: number;
  /** 0 (default): the largest logit. */
  readonly temperature?: number;
  /** Only the so many largest logits are drawn from. */
  readonly topK?: number;
  /** Only the fewest largest that together have this share are drawn from; 1 (default): all. */
  readonly topP?: number;
  /** Keys every draw; 0 unless given. */
  readonly seed?: number;
  /** Tokens that end their sequence; they are its last token. */
  readonly stop?: readonly number[];
  readonly signal?: AbortSignal;
  /** Also returns the logits behind every token. */
  readonly inspectLogits?: boolean;
}

export interface GenerationRecord {
  readonly prompts: number;
  /** Tokens of all prompts, and generated ones. */
  readonly promptTokens: number;
  readonly tokens: number;
  /** Passes over the weights. */
  readonly steps: number;
  /** Host time from the first step to the last token. */
  readonly seconds: number;
  readonly faults: number;
  readonly counts: Counts;
  /** Work that was done again after a fault, apart from `counts`. */
  readonly redone: Counts;
  readonly shape: { readonly numCsx: number; readonly rows: number; readonly cols: number; readonly threads: number; readonly dispatcher: string; readonly kernels: string };
  readonly memory: { readonly allocatedBytes: number; readonly cacheBytes: number };
}

export interface GenerationResult {
  /** The generated tokens of each prompt, without the prompt. */
  readonly sequences: readonly Int32Array[];
  readonly record: GenerationRecord;
  /** Only with `inspectLogits`: by prompt and generated token, [vocabulary]. */
  readonly logits?: readonly (readonly Float32Array[])[];
}

/** A generation in progress. */
export class Generation implements AsyncIterable<GeneratedToken> {
  /** Tokens as they are chosen; completes after the last, errors as `finished` rejects. */
  readonly tokens$: Observable<GeneratedToken>;
  readonly finished: Promise<GenerationResult>;

  constructor(start: (onToken: (token: GeneratedToken) => void) => Promise<GenerationResult>) {
    const tokens = new ReplaySubject<GeneratedToken>();
    this.tokens$ = tokens.asObservable();
    this.finished = start((token) => tokens.next(token));
    this.finished.then(() => tokens.complete(), (error: unknown) => tokens.error(error));
  }

  [Symbol.asyncIterator](): AsyncIterator<GeneratedToken> {
    return iterate(this.tokens$);
  }
}

/** Most prompts of one call. */
const promptsMax = 4096;
/** Below, logits over the temperature leave the range of f32. */
const temperatureMin = 1e-6;

const refuse = (what: string, value: unknown, limit: unknown, hint?: string): never => {
  throw new InvalidConfig({ what, value, limit, ...(hint === undefined ? {} : { hint }) });
};
const whole = (what: string, value: number, low: number, high: number, hint?: string): void => {
  if (!Number.isInteger(value) || value < low || value > high) refuse(what, value, `a whole number from ${low} to ${high}`, hint);
};

/** @throws InvalidModel, InvalidConfig */
const check = (model: Model, o: GenerateOptions): void => {
  const input = inputOf(model), context = model.tokensPerSample;
  if (!isSequence(model) || input.kind !== 'tokens') throw new InvalidModel({ what: 'a model that cannot generate', where: model.name, value: `${input.kind} input`, limit: 'sequence({ vocabulary, context })' });
  const classes = model.layers[model.layers.length - 1];
  if (classes?.kind !== 'softmaxCrossEntropy' || classes.classes !== input.vocabulary) {
    throw new InvalidModel({ what: 'a model whose classes are not its vocabulary', where: model.name, value: classes?.kind === 'softmaxCrossEntropy' ? classes.classes : 0, limit: input.vocabulary });
  }
  whole('maxTokens', o.maxTokens, 1, context);
  whole('prompts', o.prompts.length, 1, promptsMax, 'give at least one prompt');
  for (const [p, { tokens, id }] of o.prompts.entries()) {
    if (tokens.length === 0) refuse(`prompts[${p}]`, 'no token', 'at least one', 'begin with the token that texts begin with');
    if (tokens.length + o.maxTokens > context) refuse(`prompts[${p}] and maxTokens`, tokens.length + o.maxTokens, `${context} places of the model's context`, 'shorten the prompt or ask for fewer tokens');
    for (let i = 0; i < tokens.length; i++) whole(`prompts[${p}].tokens[${i}]`, tokens[i] as number, 0, input.vocabulary - 1);
    if (id !== undefined) whole(`prompts[${p}].id`, id, 0, 2 ** 32 - 1);
  }
  if (o.temperature !== undefined && !(o.temperature === 0 || (o.temperature >= temperatureMin && o.temperature <= 1 / temperatureMin))) refuse('temperature', o.temperature, `0, or ${temperatureMin} to ${1 / temperatureMin}`);
  if (o.topK !== undefined) whole('topK', o.topK, 1, input.vocabulary);
  if (o.topP !== undefined && !(o.topP > 0 && o.topP <= 1)) refuse('topP', o.topP, 'above 0, at most 1');
  whole('seed', o.seed ?? 0, 0, Number.MAX_SAFE_INTEGER);
  for (const id of o.stop ?? []) whole('stop', id, 0, input.vocabulary - 1);
  if (o.weights.length !== model.parameters.length) refuse('weights', o.weights.length, `${model.parameters.length} tensors`, 'give every parameter of the model in graph order');
  for (const spec of model.parameters) {
    const tensor = o.weights[spec.index];
    const isRight = tensor?.name === spec.name && tensor.data.length === spec.size && tensor.shape.length === spec.shape.length && tensor.shape.every((n, i) => n === spec.shape[i]);
    if (!isRight) refuse(`weights[${spec.index}]`, `${tensor?.name} [${tensor?.shape.join(', ')}]`, `${spec.name} [${spec.shape.join(', ')}]`);
  }
};

export interface PlannedGeneration {
  readonly layout: GenerationLayout;
  readonly sampling: SamplingOptions;
  readonly allocatedBytes: number;
  readonly cacheBytes: number;
}

/** Everything before a thread starts, with the weights in their places. @throws InvalidModel, InvalidConfig, DoesNotFit */
export const prepareGeneration = (model: Model, o: GenerateOptions, cluster: ClusterOptions, threads: number, kernels: KernelPlan): PlannedGeneration => {
  check(model, o);
  const numCsx = cluster.numCsx ?? 1, wafer = cluster.wafer ?? 'auto', spec = wafer === 'auto' ? specs.wse2 : (wafer.spec ?? specs.wse2);
  // The last token is chosen and goes nowhere: it needs no place in the caches.
  const sequences = o.prompts.map(({ tokens }) => ({ prompt: tokens.length, places: tokens.length + o.maxTokens - 1 }));
  checkRunnable(model);
  const program = compile(model, { tokens: panelsFor(sequences, 1) * slabTokens, wafer, spec, recompute: 'block' });
  const links = planTree(numCsx, cluster.fanIn ?? 4).reduce((sum, node) => sum + (node.tier === 0 ? node.wafers : node.children.length), 0);
  const { layout, allocatedBytes } = planGeneration({ program, kernels, hosts: threads, numCsx, links, sequences });
  // The caches of a wafer's sequences lie in what the tiles have left.
  const tiles = wafer === 'auto' ? spec.rowsMax * spec.colsMax : wafer.rows * wafer.cols, used = program.rectangle.rows * program.rectangle.cols;
  const haveBytes = tiles * (program.sram.limitBytes - program.sram.codeBytes) - used * (program.sram.totalBytes - program.sram.codeBytes);
  const caches = sequences.map(({ places }) => cacheBytes(program, places));
  for (let w = 0; w < numCsx; w++) {
    const needBytes = layout.sequences.reduce((sum, sequence, s) => sum + (sequence.wafer === w ? (caches[s] as number) : 0), 0);
    if (needBytes > haveBytes) throw new DoesNotFit({ what: `the keys and values of wafer ${w}'s sequences`, needBytes, haveBytes, hint: 'use more systems, more tiles, fewer prompts or fewer tokens' });
  }
  storeGenerationWeights(layout, o.weights);
  const sampling = { temperature: o.temperature ?? 0, topK: o.topK ?? null, topP: o.topP ?? 1, seed: o.seed ?? 0 };
  return { layout, sampling, allocatedBytes, cacheBytes: caches.reduce((sum, bytes) => sum + bytes, 0) };
};
