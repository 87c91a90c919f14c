/**
 * `waferstream generate`: text of a checkpoint, streamed for one prompt, whole for several.
 *
 * Texts go to stdout and nothing else does, so that they can be piped, or one document of JSON; how fast they came goes to stderr where that is a terminal. Not here: ids and text (sample.ts).
 */
import { readFile } from 'node:fs/promises';
import { CorruptFile, InvalidConfig, readCheckpoint } from '../index.js';
import { nowMs } from '../util/clock.js';
import { generateJson } from './json/files.js';
import { sayJson } from './json/say.js';
import { flagOf, type Options } from './options.js';
import { print, showRate } from './progress.js';
import { sample, shown, type Sample, type Sampling } from './sample.js';
import { clusterShape } from './setup/cluster.js';
import { setUpTransformer } from './setup/job.js';
import { sourceOf } from './setup/model.js';
import { refuse } from './setup/rules.js';
import { checkAssumed } from './setup/tokenizer.js';

const usualTemperature = 0.8;

/** @throws InvalidConfig for what a temperature of 0 leaves without effect */
export const samplingOf = (options: Options): Sampling => {
  const { maxTokens, temperature = usualTemperature, topK, topP, seed = 0 } = options;
  if (temperature === 0) refuse(options, ['topK', 'topP', 'seed'], `has no effect with ${flagOf('temperature')} 0`);
  return { temperature, seed, ...(maxTokens === undefined ? {} : { maxTokens }), ...(topK === undefined ? {} : { topK }), ...(topP === undefined ? {} : { topP }) };
};

const promptsOf = async ({ prompt, prompts }: Options): Promise<readonly string[]> => {
  if (prompt !== undefined && prompts !== undefined) throw new InvalidConfig({ what: `option ${flagOf('prompt')} beside ${flagOf('prompts')}`, hint: 'name the prompts once' });
  if (prompt !== undefined) return prompt;
  if (prompts === undefined) throw new InvalidConfig({ what: 'no prompt', hint: `give one with ${flagOf('prompt')}, or a file of them with ${flagOf('prompts')}` });
  const text = await readFile(prompts, 'utf8').catch((cause: unknown) => {
    throw new CorruptFile({ what: `option ${flagOf('prompts')}: the file cannot be read`, where: prompts, hint: 'check the path' }, { cause });
  });
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  if (lines.length === 0) throw new InvalidConfig({ what: `option ${flagOf('prompts')}: no prompt in the file`, where: prompts, hint: 'write one a line' });
  return lines;
};

/** Whole texts, each under its number. */
export const showSamples = (samples: readonly Sample[]): string => {
  const isTerminal = process.stdout.isTTY === true;
  return samples.map(({ prompt, text }, i) => `── ${i + 1} ${'─'.repeat(40)}\n${shown(prompt + text, isTerminal)}\n`).join('\n');
};

export const generate = async (options: Options, signal: AbortSignal): Promise<number> => {
  const shape = clusterShape(options, signal), sampling = samplingOf(options);
  const prompts = await promptsOf(options);
  if (options.weights === undefined) throw new InvalidConfig({ what: 'no weights', hint: `name a checkpoint with ${flagOf('weights')}` });
  const source = await sourceOf(options);
  if (source === null) throw new InvalidConfig({ what: `${options.model} generates no text`, hint: 'name a transformer with --model or --config' });
  // Nothing is dropped where nothing learns.
  const { model, tokenizer: choice } = await setUpTransformer(source.kind === 'config' ? { ...options, dropout: 'off' } : options, source, { layers: 4, heads: 4, dim: 128, context: 128 });
  checkAssumed(choice, model);
  const { weights } = await readCheckpoint(model, options.weights);
  signal.throwIfAborted();

  const isJson = options.json === true, isTerminal = process.stdout.isTTY === true, [first = ''] = prompts;
  const streams = !isJson && prompts.length === 1;
  let begun = false;
  // The prompt stands before the first piece of text, so that a refusal comes alone.
  const stream = (text: string): void => {
    process.stdout.write(shown(begun ? text : first + text, isTerminal));
    begun = true;
  };
  const startMs = nowMs();
  const { samples, tokens } = await sample({
    model, weights, tokenizer: choice.tokenizer, prompts, sampling, shape, ...(streams ? { onText: (_, text) => stream(text) } : {}),
  });
  if (streams && !begun) stream('');
  const seconds = (nowMs() - startMs) / 1000;
  if (isJson) {
    sayJson(generateJson, {
      model: model.name, parameters: model.parameterCount, numCsx: options.numCsx ?? 1, prompts: prompts.length, texts: samples.map((found, place) => ({ place, ...found })),
      tokens, seconds, tokensPerSecond: tokens / seconds,
    });
    return 0;
  }
  print(streams ? '' : showSamples(samples).trimEnd());
  if (process.stderr.isTTY === true) process.stderr.write(`${tokens} tokens in ${seconds.toFixed(2)} s, ${showRate('tokens', tokens, seconds)} on ${shape.numCsx} CS-2\n`);
  return 0;
};
