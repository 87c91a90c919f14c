/**
 * Text out of a model: prompts to ids, ids back to text as they arrive.
 *
 *   texts ─▶ tokenizer ─▶ cluster.generate ─▶ tokens of all prompts, mixed ─▶ a decoder for each prompt ─▶ pieces of text
 *
 * Not here: options (generate.ts), drawing of tokens (the cluster's business).
 */
import { Cluster, InvalidConfig, type ClusterOptions, type Model, type NamedTensor, type Tokenizer } from '../index.js';
import { outside } from './setup/rules.js';

export interface Sampling {
  /** Most tokens for a prompt; what the context has room for, to `usualTokens`, unless given. */
  readonly maxTokens?: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed: number;
}

/** What became of a prompt. */
export interface Sample {
  readonly prompt: string;
  /** What was added to it. */
  readonly text: string;
  readonly tokens: number;
  /** Its last token was the end of a document. */
  readonly ended: boolean;
}

export interface Sampled {
  readonly samples: readonly Sample[];
  readonly tokens: number;
}

const usualTokens = 128;

/** The ids of a prompt, behind the tokenizer's own beginning. @throws InvalidConfig for a prompt without tokens, or one that fills the context */
const idsOf = (prompt: string, place: number, tokenizer: Tokenizer, model: Model): Int32Array => {
  const ids = tokenizer.encode(prompt), tokens = tokenizer.bos === null ? ids : Int32Array.of(tokenizer.bos, ...ids);
  if (tokens.length === 0) throw new InvalidConfig({ what: `prompt ${place + 1} is empty`, hint: 'give it a character to go on from' });
  if (tokens.length >= model.tokensPerSample) throw new InvalidConfig({ what: `prompt ${place + 1} has no room to go on`, value: tokens.length, limit: `${model.tokensPerSample - 1} tokens of the context of ${model.tokensPerSample}`, hint: 'shorten it' });
  return tokens;
};

/**
 * Goes on from prompts. `onText` gets each piece of text as soon as it is certain.
 *
 * @throws InvalidConfig for prompts that do not fit; whatever generation throws.
 */
export const sample = async (
  o: { readonly model: Model; readonly weights: readonly NamedTensor[]; readonly tokenizer: Tokenizer; readonly prompts: readonly string[]; readonly sampling: Sampling; readonly shape: ClusterOptions; readonly onText?: (prompt: number, text: string) => void },
): Promise<Sampled> => {
  const { model, weights, tokenizer, prompts, shape, onText } = o, { maxTokens: wanted, ...drawing } = o.sampling;
  const ids = prompts.map((prompt, i) => idsOf(prompt, i, tokenizer, model));
  const room = model.tokensPerSample - Math.max(...ids.map((list) => list.length));
  if (wanted !== undefined && wanted > room) throw outside('maxTokens', wanted, `${room}: the context of ${model.tokensPerSample} tokens without the longest prompt`);
  const { vocabulary } = tokenizer;
  if (drawing.topK !== undefined && drawing.topK > vocabulary) throw outside('topK', drawing.topK, `the ${vocabulary} tokens that there are`);
  const texts = prompts.map(() => ({ decoder: tokenizer.decoder(), text: '', tokens: 0, ended: false }));
  const add = (prompt: number, text: string): void => {
    const found = texts[prompt];
    if (found === undefined || text === '') return;
    found.text += text;
    onText?.(prompt, text);
  };
  await using cluster = await Cluster.start(shape);
  const generation = cluster.generate(model, {
    weights, prompts: ids.map((tokens) => ({ tokens })), maxTokens: wanted ?? Math.min(usualTokens, room), ...drawing, ...(tokenizer.eos === null ? {} : { stop: [tokenizer.eos] }),
  });
  for await (const { prompt, token } of generation) {
    const found = texts[prompt];
    if (found === undefined) continue;
    found.tokens++;
    if (token === tokenizer.eos) found.ended = true;
    else add(prompt, found.decoder.push(token));
  }
  await generation.finished;
  texts.forEach(({ decoder }, i) => add(i, decoder.end()));
  return {
    samples: texts.map(({ text, tokens, ended }, i) => ({ prompt: prompts[i] ?? '', text, tokens, ended })),
    tokens: texts.reduce((sum, { tokens }) => sum + tokens, 0),
  };
};

/** Text for a terminal: nothing that a model writes can move the cursor or turn the writing direction. Elsewhere as it is. */
export const shown = (text: string, isTerminal: boolean): string => (isTerminal ? text.replace(/[^\P{C}\n\t]/gu, '·') : text);
