/**
 * Published shapes of the GPT and Llama families, by name.
 *
 *   gpt(gptShape('gpt2'))        llama(llamaShape('llama3-8b'))
 *
 * Sources: GPT-2: Radford et al. 2019 and its released configurations; GPT-3: Brown et al. 2020, table 2.1; 111M … 175B: the family trained by weight
 * streaming (Dey et al. 2023; docs/evidence.md); Llama 2: Touvron et al. 2023 and released configurations; Llama 3: its released configurations. Not here: weights.
 */
import { InvalidModel } from '../../util/errors.js';
import type { GptOptions } from './gpt.js';
import type { LlamaOptions } from './llama.js';

const gpt2Base = { context: 1024, vocabulary: 50_257 } as const;
const gpt3Base = { context: 2048, vocabulary: 50_257 } as const;
/** d, layers, heads. */
const gptOf = (base: { readonly context: number; readonly vocabulary: number }, dim: number, layers: number, heads: number) => ({ ...base, dim, layers, heads });

export const gptShapes = {
  /** One for tests: trains in seconds. */
  tiny: { context: 32, vocabulary: 256, dim: 32, layers: 2, heads: 2 },
  gpt2: gptOf(gpt2Base, 768, 12, 12),
  'gpt2-medium': gptOf(gpt2Base, 1024, 24, 16),
  'gpt2-large': gptOf(gpt2Base, 1280, 36, 20),
  'gpt2-xl': gptOf(gpt2Base, 1600, 48, 25),
  'gpt3-small': gptOf(gpt3Base, 768, 12, 12),
  'gpt3-medium': gptOf(gpt3Base, 1024, 24, 16),
  'gpt3-large': gptOf(gpt3Base, 1536, 24, 16),
  'gpt3-xl': gptOf(gpt3Base, 2048, 24, 16),
  'gpt3-2.7b': gptOf(gpt3Base, 2560, 32, 32),
  'gpt3-6.7b': gptOf(gpt3Base, 4096, 32, 32),
  'gpt3-13b': gptOf(gpt3Base, 5120, 40, 40),
  'gpt3-175b': gptOf(gpt3Base, 12_288, 96, 96),
  '111m': gptOf(gpt3Base, 768, 10, 12),
  '256m': gptOf(gpt3Base, 1088, 14, 17),
  '590m': gptOf(gpt3Base, 1536, 18, 12),
  '1.3b': gptOf(gpt3Base, 2048, 24, 16),
  '2.7b': gptOf(gpt3Base, 2560, 32, 32),
  '6.7b': gptOf(gpt3Base, 4096, 32, 32),
  '13b': gptOf(gpt3Base, 5120, 40, 40),
  '70b': gptOf(gpt3Base, 8192, 80, 64),
  '175b': gptOf(gpt3Base, 12_288, 96, 96),
  /** 120 trillion parameters, the size of which the announcement of weight streaming speaks; its shape is this project's choice: for plans alone. */
  '120t': gptOf(gpt2Base, 102_400, 954, 800),
} as const satisfies Record<string, GptOptions>;

const llama2Base = { context: 4096, vocabulary: 32_000, theta: 10_000, epsilon: 1e-5 } as const;
const llama3Base = { context: 8192, vocabulary: 128_256, theta: 500_000, epsilon: 1e-5 } as const;
const llama31 = { context: 131_072, scaling: { kind: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192 } } as const;
const llama32 = { ...llama31, scaling: { ...llama31.scaling, factor: 32 } } as const;

export const llamaShapes = {
  /** One for tests: trains in seconds. */
  tiny: { context: 32, vocabulary: 256, dim: 32, layers: 2, heads: 4, kvHeads: 2, hidden: 88 },
  'llama2-7b': { ...llama2Base, dim: 4096, layers: 32, heads: 32, hidden: 11_008 },
  'llama2-13b': { ...llama2Base, dim: 5120, layers: 40, heads: 40, hidden: 13_824 },
  'llama2-70b': { ...llama2Base, dim: 8192, layers: 80, heads: 64, kvHeads: 8, hidden: 28_672 },
  'llama3-8b': { ...llama3Base, dim: 4096, layers: 32, heads: 32, kvHeads: 8, hidden: 14_336 },
  'llama3-70b': { ...llama3Base, dim: 8192, layers: 80, heads: 64, kvHeads: 8, hidden: 28_672 },
  'llama3.1-8b': { ...llama3Base, ...llama31, dim: 4096, layers: 32, heads: 32, kvHeads: 8, hidden: 14_336 },
  'llama3.1-70b': { ...llama3Base, ...llama31, dim: 8192, layers: 80, heads: 64, kvHeads: 8, hidden: 28_672 },
  'llama3.1-405b': { ...llama3Base, ...llama31, dim: 16_384, layers: 126, heads: 128, kvHeads: 8, hidden: 53_248 },
  'llama3.2-1b': { ...llama3Base, ...llama32, dim: 2048, layers: 16, heads: 32, kvHeads: 8, hidden: 8192, tied: true },
  'llama3.2-3b': { ...llama3Base, ...llama32, dim: 3072, layers: 28, heads: 24, kvHeads: 8, hidden: 8192, tied: true },
} as const satisfies Record<string, LlamaOptions>;

const named = <T extends object>(shapes: T, family: string, name: string): T[keyof T] => {
  if (!Object.hasOwn(shapes, name)) throw new InvalidModel({ what: `no ${family} of that name`, value: name, limit: Object.keys(shapes).join(', ') });
  return shapes[name as keyof T];
};

/** The options of a published GPT, to be changed at will. @throws InvalidModel naming those there are */
export const gptShape = (name: keyof typeof gptShapes | (string & {})): GptOptions => ({ ...named(gptShapes, 'GPT', name), name });
/** The options of a published Llama. @throws InvalidModel naming those there are */
export const llamaShape = (name: keyof typeof llamaShapes | (string & {})): LlamaOptions => ({ ...named(llamaShapes, 'Llama', name), name });
