/**
 * Options: their flags, their help, and what each accepts. Every value is parsed strictly, and a refusal names its option.
 *
 * Not here: which command takes which (commands.ts), defaults and what options mean together (setup/).
 */
import type { Command, OptionValues } from 'commander';
import * as v from 'valibot';
import { gptShapes, InvalidConfig, llamaShapes, type MaskPattern } from '../index.js';

const whole = (low: number, high: number) =>
  v.pipe(v.string(), v.check((text) => /^\d{1,16}$/.test(text) && Number(text) >= low && Number(text) <= high, `a whole number from ${low} to ${high}`), v.transform(Number));

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const number = (fits: (value: number) => boolean, limit: string) =>
  v.pipe(v.string(), v.check((text) => decimal.test(text) && fits(Number(text)), limit), v.transform(Number));
const real = (low: number, high: number, limit: string) => number((value) => value >= low && value <= high, limit);

const oneOf = <const T extends readonly string[]>(choices: T) => v.picklist(choices, choices.join(', '));
const path = v.pipe(v.string(), v.minLength(1, 'a path'));
const threads = v.union([v.literal('auto'), whole(1, 256)], 'auto, or a whole number from 1 to 256');

/** 4G → 4,294,967,296 */
function sizeOf(text: string): number {
  const unit = text.replace(/^\d+/, '');
  return Number(text.slice(0, text.length - unit.length)) * (byteUnits[unit] ?? Number.NaN);
}

const size = whole(1, 2 ** 20);
const count = whole(1, 2 ** 30);
/** A number that is out of range is a wrong number, not the path of a config. */
const sparsityLimit = 'a number from 0 to below 1, the path of a sparsity config, kept or off';
const isNumberLike = (text: string): boolean => !Number.isNaN(Number(text)) || /^[+-]?nan$/i.test(text);
const sparsityChoice = v.union([
  number((value) => value >= 0 && value < 1, sparsityLimit),
  v.pipe(v.string(), v.check((text) => !isNumberLike(text), sparsityLimit)),
], sparsityLimit);
const patternLimit = 'unstructured, 4x1, or N:M with N below M, such as 2:4';
/** As the library names them: 4x1 are blocks. */
const pattern = v.pipe(
  v.string(),
  v.check((text) => {
    const [, n = '', m = ''] = /^(\d{1,3}):(\d{1,3})$/.exec(text) ?? [];
    return text === 'unstructured' || text === '4x1' || (Number(n) >= 1 && Number(n) < Number(m));
  }, patternLimit),
  v.transform((text): MaskPattern => {
    const [n = 0, m = 0] = text.split(':').map(Number);
    return text === 'unstructured' ? text : text === '4x1' ? 'blocks' : { n, m };
  }),
);
const bytesOrPath = v.pipe(v.string(), v.minLength(1, 'bytes, or the path of a tokenizer.json or of its folder'));
const numberTypeNames = ['float32', 'bfloat16', 'float16', 'cbfloat16'] as const;
const scaleLimit = 'dynamic, none, or a power of two from 2^-40 to 2^40, such as 32768';
const lossScale = v.union([v.picklist(['dynamic', 'none']), number((value) => Number.isInteger(Math.log2(value)) && Math.abs(Math.log2(value)) <= 40, scaleLimit)], scaleLimit);
const bytesLimit = 'bytes, such as 500000000, 512M or 4G (K, M and G are powers of 1024)';
const byteUnits: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const bytes = v.pipe(v.string(), v.check((text) => /^\d{1,15}[KMGT]?$/.test(text) && Number.isSafeInteger(sizeOf(text)) && sizeOf(text) > 0, bytesLimit), v.transform(sizeOf));
const rectangleLimit = 'whole, auto, or rows x columns such as 64x32';
const rectangle = v.pipe(
  v.string(),
  v.check((text) => /^(whole|auto|[1-9]\d{0,5}x[1-9]\d{0,5})$/.test(text), rectangleLimit),
  v.transform((text) => {
    const [rows = 0, cols = 0] = text.split('x').map(Number);
    return text === 'whole' || text === 'auto' ? text : { rows, cols };
  }),
);
const generation = v.pipe(
  v.string(),
  v.regex(/^[1-9]\d{0,5}x[1-9]\d{0,5}\+[1-9]\d{0,5}$/, 'prompts x tokens of each + new tokens, such as 8x512+128'),
  v.transform((text) => {
    const [prompts = 0, promptTokens = 0, newTokens = 0] = text.split(/[x+]/).map(Number);
    return { prompts, promptTokens, newTokens };
  }),
);
const dropoutLimit = 'off, or a number from 0 to below 1';

/** Published shapes, which each name one model; their small ones for tests have a name in both families. */
const published = (shapes: object): string[] => Object.keys(shapes).filter((name) => name !== 'tiny');
export const publishedGpts: ReadonlySet<string> = new Set(published(gptShapes));
export const publishedLlamas: ReadonlySet<string> = new Set(published(llamaShapes));
const modelNames = ['byte-lm', 'mlp', 'gpt', 'llama', ...publishedGpts, ...publishedLlamas];

/** Name (as commander gives it) → flag, help, schema of the text. */
const table = {
  data: { flag: '--data <path>', help: 'text file, folder of text, .jsonl, .bin or .u16 (16-bit tokens), or folder with IDX training files', schema: path },
  field: { flag: '--field <name>', help: "field of a .jsonl line that holds the text; 'text' unless given", schema: v.pipe(v.string(), v.minLength(1, 'a name')) },
  tokenizer: { flag: '--tokenizer <path>', help: 'bytes, a tokenizer.json, or its folder', schema: bytesOrPath },
  images: { flag: '--images <path>', help: 'IDX file of images (.gz or plain), with --labels', schema: path },
  labels: { flag: '--labels <path>', help: 'IDX file of labels, with --images', schema: path },
  model: { flag: '--model <name>', help: 'byte-lm or mlp (by the data unless given), gpt, llama, or a published shape such as gpt2 or llama3.2-1b', schema: v.picklist(modelNames, modelNames.join(', ')) },
  config: { flag: '--config <path>', help: "a Hugging Face config.json of either family, or its folder, in --model's place", schema: path },
  weights: { flag: '--weights <path>', help: 'checkpoint to start from: .safetensors file, index or folder; with a config.json in it, it names the model', schema: path },
  layers: { flag: '--layers <n>', help: 'hidden layers, or blocks (gpt, llama)', schema: whole(0, 256) },
  hidden: { flag: '--hidden <n>', help: 'features of each hidden layer, or inside the feed-forward part (gpt, llama)', schema: size },
  embed: { flag: '--embed <n>', help: 'numbers that stand for one byte (byte-lm)', schema: size },
  heads: { flag: '--heads <n>', help: 'attention heads (gpt, llama)', schema: whole(1, 4096) },
  kvHeads: { flag: '--kv-heads <n>', help: 'key-value heads (llama); as many as heads unless given', schema: whole(1, 4096) },
  dim: { flag: '--dim <n>', help: 'features of a token between blocks (gpt, llama)', schema: size },
  context: { flag: '--context <n>', help: 'tokens that the model sees: bytes of a byte-lm, the length of a sequence', schema: size },
  vocab: { flag: '--vocab <n>', help: "tokens that there are (gpt, llama); the tokenizer's unless given", schema: whole(2, 2 ** 24) },
  dropout: { flag: '--dropout <rate>', help: 'rate of dropout (gpt), or off: none of those that the config names', schema: v.union([v.literal('off'), number((rate) => rate >= 0 && rate < 1, dropoutLimit)], dropoutLimit) },
  batchSize: { flag: '--batch-size <n>', help: 'samples (sequences) of a step, over all CS-2; in a plan about 4 million tokens of them unless given', schema: whole(1, 2 ** 26) },
  microBatchSize: { flag: '--micro-batch-size <n>', help: 'samples that one CS-2 works on at a time', schema: whole(1, 2 ** 26) },
  gradAccumSteps: { flag: '--grad-accum-steps <n>', help: 'micro-batches of a step: batch size = micro-batch size × CS-2 × these', schema: whole(1, 2 ** 26) },
  optimizer: { flag: '--optimizer <name>', help: 'sgd, adam, adamw, rmsprop, lion, lamb or adafactor', schema: oneOf(['sgd', 'adam', 'adamw', 'rmsprop', 'lion', 'lamb', 'adafactor']) },
  learningRate: { flag: '--learning-rate <x>', help: 'learning rate, or the peak of its schedule; without one the steps of adafactor are relative', schema: real(0, 1e6, 'a number from 0 to 1e6') },
  momentum: { flag: '--momentum <x>', help: 'momentum (sgd, rmsprop)', schema: real(0, 1e6, 'a number from 0 to 1e6') },
  nesterov: { flag: '--nesterov', help: 'Nesterov momentum (sgd)', schema: v.literal(true) },
  weightDecay: { flag: '--weight-decay <x>', help: 'weight decay; of matrices alone in a transformer', schema: real(0, 1e6, 'a number from 0 to 1e6') },
  clipNorm: { flag: '--clip-norm <x>', help: "largest norm of a step's gradient; larger ones are scaled down to it", schema: number((value) => value > 0 && value <= 1e6, 'a number above 0, to 1e6') },
  schedule: { flag: '--schedule <name>', help: 'constant, warmup, linear or cosine', schema: oneOf(['constant', 'warmup', 'linear', 'cosine']) },
  warmupSteps: { flag: '--warmup-steps <n>', help: 'steps in which the learning rate rises (warmup, linear, cosine)', schema: whole(0, 2 ** 30) },
  steps: { flag: '--steps <n>', help: 'optimizer steps', schema: count },
  sparsity: { flag: '--sparsity <x>', help: 'share of weights that are absent (0 to below 1), a sparsity config (YAML or JSON), kept (masks of --weights stay), or off', schema: sparsityChoice },
  sparsityAlgorithm: { flag: '--sparsity-algorithm <name>', help: 'with a number: static, gmp, set or rigl; static unless given', schema: oneOf(['static', 'gmp', 'set', 'rigl']) },
  sparsityInit: { flag: '--sparsity-init <name>', help: 'with a number, the first masks: random, topk, from_zeros or checkerboard', schema: oneOf(['random', 'topk', 'from_zeros', 'checkerboard']) },
  sparsityPattern: { flag: '--sparsity-pattern <name>', help: 'with a number: unstructured, 4x1 (four outputs share their inputs), or N:M such as 2:4', schema: pattern },
  sparsityUpdateEvery: { flag: '--sparsity-update-every <n>', help: 'with a number, steps between updates of masks (gmp, set, rigl)', schema: count },
  recompute: { flag: '--recompute <what>', help: 'activations of a block that are computed again: none, attention, block, offload (as block, and what blocks read waits off the wafer) or auto', schema: oneOf(['none', 'attention', 'block', 'offload', 'auto']) },
  evaluationSplit: { flag: '--evaluation-split <x>', help: 'share of the text, at its end, that nothing learns from', schema: number((value) => value > 0 && value < 1, 'a number above 0 and below 1') },
  evaluateEvery: { flag: '--evaluate-every <n>', help: 'steps between evaluations; a tenth of the steps unless given', schema: count },
  evaluationBatches: { flag: '--evaluation-batches <n>', help: 'batches of an evaluation; all that there are unless given', schema: whole(1, 2 ** 26) },
  patience: { flag: '--patience <n>', help: 'evaluations without a new lowest loss after which training ends', schema: count },
  precision: { flag: '--precision <name>', help: 'numbers in which weights travel: float32, bfloat16, float16 or cbfloat16; master weights and sums stay float32', schema: oneOf(numberTypeNames) },
  activations: { flag: '--activations <name>', help: 'numbers of activations and deltas between layers: float32 (unless given), or those of --precision', schema: oneOf(numberTypeNames) },
  lossScale: { flag: '--loss-scale <x>', help: 'dynamic (float16 and cbfloat16 unless given), none, or a fixed power of two', schema: lossScale },
  stochasticRounding: { flag: '--stochastic-rounding', help: 'weights are rounded up or down by chance, keyed by the seed', schema: v.literal(true) },
  dram: { flag: '--dram <bytes>', help: "MemoryX's DRAM, such as 512M; what exceeds it lies in --flash-dir", schema: bytes },
  flashDir: { flag: '--flash-dir <path>', help: 'folder of the flash tier: state lies there, and every step survives', schema: path },
  shards: { flag: '--shards <n>', help: 'MemoryX units, each with its own file and threads', schema: whole(1, 64) },
  durability: { flag: '--durability <level>', help: 'a step survives the end of the process, loss of power, or only as a checkpoint: process (unless given), power or checkpoint', schema: oneOf(['process', 'power', 'checkpoint']) },
  checkpointDir: { flag: '--checkpoint-dir <path>', help: 'where checkpoints go, with --checkpoint-every', schema: path },
  checkpointEvery: { flag: '--checkpoint-every <n>', help: 'steps between checkpoints; one more follows the last step', schema: count },
  keepCheckpoints: { flag: '--keep-checkpoints <n>', help: 'how many are kept, the newest; all unless given', schema: count },
  resume: { flag: '--resume <path>', help: 'go on from a checkpoint, the newest of a folder of them, or a flash folder: the same bits as without the stop', schema: path },
  save: { flag: '--save <path>', help: 'where the weights go: a folder (with config.json and tokenizer), or one .safetensors file', schema: path },
  dtype: { flag: '--dtype <name>', help: 'numbers of the saved weights: float32, float16 or bfloat16', schema: oneOf(['float32', 'float16', 'bfloat16']) },
  sparseLayout: { flag: '--sparse-layout <name>', help: 'sparse weights as saved: dense (zeros, masks beside them) or compact (stored values alone)', schema: oneOf(['dense', 'compact']) },
  trace: { flag: '--trace <path>', help: 'trace that Perfetto opens: a step in the time of the machine, and host time of the threads, the last 65,536 turns of each', schema: path },
  tensorboard: { flag: '--tensorboard <path>', help: 'folder for an event file of losses and figures, written as the run goes on', schema: path },
  csv: { flag: '--csv <path>', help: 'table of the steps; counts by device, prices of passes and evaluations in files beside it', schema: path },
  prompt: { flag: '--prompt <text>', help: 'text to go on from; give it again for more', many: true, schema: v.array(v.string()) },
  prompts: { flag: '--prompts <path>', help: 'file of prompts, one a line', schema: path },
  maxTokens: { flag: '--max-tokens <n>', help: 'most tokens that are added to a prompt', schema: size },
  temperature: { flag: '--temperature <x>', help: '0 takes the likeliest token; 1 draws as the model says', schema: number((value) => value === 0 || (value >= 1e-6 && value <= 100), '0, or a number from 1e-6 to 100') },
  topK: { flag: '--top-k <n>', help: 'draws from the k likeliest tokens', schema: whole(1, 2 ** 24) },
  topP: { flag: '--top-p <x>', help: 'draws from the likeliest tokens that together have this probability', schema: number((value) => value > 0 && value <= 1, 'a number above 0, to 1') },
  numCsx: { flag: '--num-csx <n>', help: 'CS-2 systems', schema: whole(1, 192) },
  rows: { flag: '--rows <n>', help: 'rows of tiles of each wafer, with --cols; the smallest that fits unless given', schema: size },
  cols: { flag: '--cols <n>', help: 'columns of tiles of each wafer, with --rows', schema: size },
  threads: { flag: '--threads <n>', help: 'worker threads, or auto', schema: threads },
  dispatcher: { flag: '--dispatcher <name>', help: 'thread or local', schema: oneOf(['thread', 'local']) },
  kernels: { flag: '--kernels <name>', help: 'auto, simd128 (no revectorizer) or twin (plain scalar code)', schema: oneOf(['auto', 'simd128', 'twin']) },
  seed: { flag: '--seed <n>', help: 'keys every random number', schema: whole(0, Number.MAX_SAFE_INTEGER) },
  machine: { flag: '--machine <name>', help: 'what is priced: wse1, wse2 (unless given), wse3, toy, or a file that says what is different from one of them', schema: path },
  rectangle: { flag: '--rectangle <tiles>', help: 'tiles of each wafer: whole (unless given), auto (as few as fit, as train takes), or rows x columns such as 64x32', schema: rectangle },
  generate: { flag: '--generate <what>', help: 'plans generation in place of training: prompts x tokens of each + new tokens, such as 8x512+128', schema: generation },
  scaling: { flag: '--scaling [mode]', help: 'curve over 1 to 192 systems: weak (each has the same work), strong (the same batch for all), or both', schema: v.union([v.literal(true), v.picklist(['weak', 'strong'])], 'weak or strong') },
  sparsityCurve: { flag: '--sparsity-curve', help: 'curve over the share of absent weights, 0 to 99 %', schema: v.literal(true) },
  report: { flag: '--report <path>', help: 'HTML file with timeline, heat map, roofline and curves', schema: path },
  set: { flag: '--set <values>', help: 'parameter and its values, such as numCsx=1..192*2 or machine.swarmX.nodeLatencySeconds=1e-6,5e-6; give it again for more', many: true, schema: v.array(v.string()) },
  zip: { flag: '--zip', help: 'parameters of --set vary together, value by value, in place of every combination', schema: v.literal(true) },
  kind: { flag: '--kind <name>', help: 'what is done at each point: plan (unless given), or train', schema: oneOf(['plan', 'train']) },
  folder: { flag: '--folder <path>', help: 'where results are kept; the same call, or another sweep, goes on from them', schema: path },
  jobs: { flag: '--jobs <n>', help: 'processes at once; 1 unless given', schema: whole(1, 256) },
  json: { flag: '--json', help: 'JSON in place of text, errors too: docs/json.md', schema: v.literal(true) },
} as const;

export type OptionName = keyof typeof table;
/** What was given, and only that. */
export type Options = { readonly [K in OptionName]?: v.InferOutput<(typeof table)[K]['schema']> };

export const optionNames = Object.keys(table) as OptionName[];

/** `--learning-rate` of 'learningRate'. */
export const flagOf = (name: OptionName): string => table[name].flag.split(' ')[0] ?? name;

export const isOption = (name: string): name is OptionName => Object.hasOwn(table, name);
/** Whether an option is on by being there, without a value. */
export const isFlag = (name: OptionName): boolean => !/[<[]/.test(table[name].flag);

export const addOptions = (command: Command, taken: readonly OptionName[]): void => {
  for (const name of optionNames) {
    if (!taken.includes(name)) continue;
    const option = table[name];
    if ('many' in option) command.option(option.flag, option.help, (text: string, before: readonly string[] | undefined) => [...(before ?? []), text]);
    else command.option(option.flag, option.help);
  }
};

/** @throws InvalidConfig naming the first option whose value is refused. */
export const parseOptions = (given: OptionValues): Options => {
  const parsed: Partial<Record<OptionName, unknown>> = {};
  for (const name of optionNames) {
    const value: unknown = given[name];
    if (value === undefined) continue;
    const result = v.safeParse(table[name].schema, value);
    if (!result.success) throw new InvalidConfig({ what: `option ${flagOf(name)}`, value, limit: result.issues[0].message });
    parsed[name] = result.output;
  }
  return parsed as Options;
};
